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
 * ext4 passes over inodes that were removed within the last minute, six minutes while they are not written back, and looks at each
 * of them for every file that it makes: a restore after a large removal took twice as long here, whichever engine's turn it was.
 */
const FORGOTTEN_MS = 365_000;
/** What was removed before the benchmark began is not known. */
let removedAtMs = Date.now();

/**
 * One round: every engine, with a new repository, through every phase on one group's corpora; the engines take turns within a
 * phase. The corpora are a day older afterwards, and the next round begins with them as they are.
 *
 * @param {{ group: object, engines: object[], source: string, work: string, day: number, seed: number, scale: object,
 *   isJudged: boolean, waitsForInodes: boolean, say: (text: string) => void }} round `isJudged`: compare what is restored with
 *   the source; `waitsForInodes`: restores wait until removals are forgotten
 * @returns {Promise<Record<string, { trial: object, comparison?: object, failure?: string }>>} by engine
 */
export async function runRound({ group, engines, source: top, work, day, seed, scale, isJudged, waitsForInodes, say }) {
  const source = join(top, group.folder);
  const places = engines.map((engine) => ({ engine, folder: join(work, engine.name), trial: {} }));
  try {
    for (const place of places) {
      mkdirSync(place.folder);
      await attempt(place, async () => (place.session = await place.engine.open(place.folder)));
    }
    for (const phase of PHASES) {
      if (phase.key === 'nextDay') {
        changeCorpora(top, group, { seed, scale, day });
        removedAtMs = Date.now();
      }
      if (phase.key === 'restore' && waitsForInodes) await forgetRemovals(say);
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
    removedAtMs = Date.now();
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
  // It stays until the round ends: see FORGOTTEN_MS.
}

async function forgetRemovals(say) {
  const restMs = removedAtMs + FORGOTTEN_MS - Date.now();
  if (restMs <= 0) return;
  say(`  (${Math.ceil(restMs / 1_000)} s until ext4 has forgotten what was removed)`);
  await sleep(restMs);
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
