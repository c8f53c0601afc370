import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { changeCorpora } from './corpora/index.mjs';
import { cleanEnvironment, findProgram } from './engines/found.mjs';
import { insist, measure } from './processes.mjs';
import { PHASES } from './report.mjs';
import { differences, storedBytes, warm } from './trees.mjs';

/** Engines read a file again that changed in the second or so before they looked; this is none of the questions here. */
const REST_MS = 2_500;

/**
 * One round: every engine, with a new repository, through every phase on one group's corpora; the engines take turns within a
 * phase. The corpora are a day older afterwards, and the next round begins with them as they are.
 *
 * @param {{ group: object, engines: object[], source: string, work: string, day: number, seed: number, scale: object,
 *   isJudged: boolean, say: (text: string) => void }} round `isJudged`: compare what is restored with the source
 * @returns {Promise<Record<string, { trial: object, comparison?: object, failure?: string }>>} by engine
 */
export async function runRound({ group, engines, source: top, work, day, seed, scale, isJudged, say }) {
  const source = join(top, group.folder);
  const places = engines.map((engine) => ({ engine, folder: join(work, engine.name), trial: {} }));
  try {
    for (const place of places) {
      mkdirSync(place.folder);
      await attempt(place, async () => (place.session = await place.engine.open(place.folder)));
    }
    for (const phase of PHASES) {
      if (phase.key === 'nextDay') changeCorpora(top, group, { seed, scale, day });
      if (phase.key === 'first' || phase.key === 'nextDay') await sleep(REST_MS);
      for (const place of places.filter(({ failure }) => failure === undefined)) {
        await attempt(place, async () => {
          if (phase.key === 'restore') await restore(place, { source, isJudged });
          else await backup(place, phase.key, source);
          say(`  ${phase.title}, ${place.engine.name}: ${place.trial[phase.key].seconds.toFixed(2)} s`);
        });
      }
    }
    for (const place of places.filter(({ failure }) => failure === undefined)) {
      await place.session.close();
      place.trial.stored = bytesOf(place.session);
      place.trial.cacheBytes = storedBytes(place.session.cache).storage;
    }
  } finally {
    for (const { session } of places) await session?.close();
    for (const { folder } of places) rmSync(folder, { recursive: true, force: true });
  }
  return Object.fromEntries(
    places.map(({ engine, trial, comparison, failure }) => [engine.name, { trial, comparison, failure }]),
  );
}

async function backup({ session, trial }, phase, source) {
  warm(source);
  await flush();
  trial[phase] = await measure(session.backup(source), session);
  if (phase === 'first') trial.storedFirst = bytesOf(session);
}

async function restore(place, { source, isJudged }) {
  const { session, folder, trial } = place;
  const target = join(folder, 'restored');
  mkdirSync(target);
  warm(session.stored);
  await flush();
  trial.restore = await measure(session.restore(target), session);
  if (isJudged) place.comparison = differences(source, session.restored(target, source));
  // It stays until the round ends: ext4 passes over inodes that were deleted within the last minutes, at the next engine's expense.
}

/** An engine that fails is out of this round; the others go on. */
async function attempt(place, act) {
  try {
    await act();
  } catch (error) {
    place.failure = error.message;
  }
}

/** What one engine wrote must not be flushed at the next one's expense. */
async function flush() {
  const file = findProgram('sync');
  if (file !== null) await insist({ file, args: [], env: cleanEnvironment('/') });
}

function bytesOf({ stored, database }) {
  const bytes = storedBytes(stored, database ?? null);
  return { ...bytes, total: bytes.storage + bytes.database };
}
