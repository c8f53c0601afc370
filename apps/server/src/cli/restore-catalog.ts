import { rm } from 'node:fs/promises';
import type { NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { killPointsFrom, onHangUp } from '#common';
import { CorruptError, UnsupportedError } from '#engine';
import { CatalogAdoption, type AdoptionReport } from '../catalog/catalog-adoption.service';
import { CatalogDumps } from '../catalog/catalog-dumps';
import { assertLoadable, CatalogLoader } from '../catalog/catalog-loader';
import { RestoreClaim } from '../catalog/restore-claim';
import { takeRestoreLock } from '../catalog/restore-lock';
import { lookAtTarget, lookForServers, type ServerSigns, type TargetState } from '../catalog/target-database';
import { SystemClock } from '../config/clock';
import type { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { openServerLog } from '../journal/open-server-log';
import { KillPointStorage } from '../storage/kill-point.storage';
import { openBackend } from '../storage/open-backend';
import { readRepositoryId } from '../storage/repository-identity';
import type { Storage } from '../storage/storage';
import { ErrorOutput } from './error-output';
import { figureLines } from './job-report';
import { RestoreModule } from './restore.module';
import type { RestoreWords } from './restore-words';

const [WHOLE, LEFT] = [0, 3];
/** As a shell tells of a program that SIGHUP ended. */
const HUNG_UP = 129;
/** Servers give a sign of life once a minute. */
const SEEN_LATELY_MS = 150_000;

/**
 * Brings the catalog back: a dump into an empty database, or an older database that was put back by hand; then takes over what storage
 * knows beyond it. Prints what became of it; returns the exit code. Killed anywhere, the same command goes on or begins anew.
 */
export async function restoreCatalog(settings: ServerSettings, words: RestoreWords): Promise<number> {
  onHangUp(settings.outlivesTerminal, () => process.exit(HUNG_UP));
  // A server may be at work on the storage, if not on this database.
  const own = Object.assign(settings, { isBesideServer: true, isRestoring: true, logLevel: 'warn' } as const);
  const storage = new KillPointStorage(
    await openBackend(own, new SystemClock(own.clockAheadMs)),
    killPointsFrom(own.killAt),
  );
  try {
    if (words.what === 'list') return await list(storage, words);
    const release = await takeRestoreLock(own);
    try {
      return await bringBack(own, storage, words);
    } finally {
      await release();
    }
  } finally {
    await rm(storage.spoolDir, { recursive: true, force: true });
  }
}

async function bringBack(own: ServerSettings, storage: Storage, words: RestoreWords): Promise<number> {
  const target = await lookAtTarget(own);
  const mark = target.kind === 'begun' ? target.mark : null;
  const servers = target.kind === 'nothing' ? { lastMs: 0, lastStart: '' } : await lookForServers(own);
  const claim = new RestoreClaim(mark?.token ?? null, servers.lastStart);
  let from = mark?.from ?? null;
  if (words.what === 'adopt') assertAdoptable({ target, servers, nowMs: Date.now() + own.clockAheadMs }, words);
  else from = await new Restoring(own, storage, claim).load(target, words.from);
  return adopt(own, words, { claim, from });
}

class Restoring {
  private readonly dumps: CatalogDumps;

  constructor(
    private readonly settings: ServerSettings,
    private readonly storage: Storage,
    private readonly claim: RestoreClaim,
  ) {
    this.dumps = new CatalogDumps(storage);
  }

  /** Everything is looked at before anything is changed. Returns the key of the dump. */
  async load(target: TargetState, from: string | null): Promise<string | null> {
    if (target.kind === 'used') {
      throw new StartError(
        `The database is not empty (${target.table}): nothing was changed. A dump goes into an empty database only; to bring this one up to ` +
          'what its storage knows: "holdfast-server restore-catalog --adopt".',
      );
    }
    const begun = target.kind === 'begun' ? target.mark : null;
    if (begun !== null && from !== null && begun.from !== from)
      throw new StartError(`Bringing ${begun.from ?? 'a database'} back has begun: leave --from out to go on with it.`);
    if (begun?.phase === 'adopting') return begun.from;
    const repositoryId = await readRepositoryId(this.storage);
    if (repositoryId === null) throw new StartError('The storage has no repository.json. Nothing was changed.');
    const key = from ?? begun?.from ?? (await this.newest());
    say(`verifying ${key}`);
    const header = await this.verified(key);
    assertLoadable(header, key, repositoryId);
    const { databaseUrl, databasePath, killAt, clockAheadMs } = this.settings;
    const opening = { databaseUrl, databasePath, isRestoring: true };
    const hooks = { clock: new SystemClock(clockAheadMs), killPoints: killPointsFrom(killAt) };
    const loader = new CatalogLoader({ ...opening, ...hooks }, this.claim);
    const total = header.tables.reduce((sum, { rows }) => sum + rows, 0);
    await loader.load(target, header, {
      ...{ storage: this.storage, key },
      onProgress: (rows) => {
        say(`rows: ${rows} of ${total}`);
      },
    });
    return key;
  }

  private async newest(): Promise<string> {
    const newest = (await this.dumps.list()).at(-1);
    if (newest === undefined) {
      throw new StartError(
        'The storage has no dump of the catalog (catalog/). Put a copy of the database back, if there is one, and run ' +
          '"holdfast-server restore-catalog --adopt". Nothing was changed.',
      );
    }
    return newest.key;
  }

  private async verified(key: string): Promise<Awaited<ReturnType<CatalogDumps['verify']>>> {
    try {
      return await this.dumps.verify(key);
    } catch (error) {
      if (!(error instanceof CorruptError) && !(error instanceof UnsupportedError)) throw error;
      throw new StartError(
        `This dump cannot be used: ${error.message}. Nothing was changed. Others: --list, and one of them by --from.`,
        { cause: error },
      );
    }
  }
}

async function list(storage: Storage, { isJson }: RestoreWords): Promise<number> {
  const dumps = await new CatalogDumps(storage).list();
  const lines = dumps.map(({ key, length, madeMs }) => `${key}  ${new Date(madeMs).toISOString()}  ${length} bytes`);
  process.stdout.write(isJson ? `${JSON.stringify(dumps)}\n` : `${lines.join('\n') || 'There is none.'}\n`);
  return WHOLE;
}

interface Adoptable {
  readonly target: TargetState;
  readonly servers: ServerSigns;
  readonly nowMs: number;
}

function assertAdoptable({ target, servers, nowMs }: Adoptable, { isServerStopped }: RestoreWords): void {
  if (target.kind === 'nothing' || target.kind === 'empty')
    throw new StartError('The database is empty: "holdfast-server restore-catalog" brings a dump back.');
  if (target.kind === 'begun' && target.mark.phase === 'loading')
    throw new StartError('A dump is in the database by half: run "holdfast-server restore-catalog" again.');
  if (isServerStopped || target.kind === 'begun') return;
  const agoMs = nowMs - servers.lastMs;
  if (agoMs > SEEN_LATELY_MS) return;
  throw new StartError(
    `A server was at work on this database ${Math.round(agoMs / 1_000)} s ago. Stop all of them; then wait for ` +
      `${SEEN_LATELY_MS / 1_000} s, or say so: --server-is-stopped. Nothing was changed.`,
  );
}

async function adopt(
  settings: ServerSettings,
  { isJson }: RestoreWords,
  begun: { claim: RestoreClaim; from: string | null },
): Promise<number> {
  const log = openServerLog(settings);
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest's options are an interface over a class that nobody instantiates
  const options: NestApplicationOptions = { abortOnError: false, logger: log };
  const parts = { settings, log, terminal: new ErrorOutput() };
  const app = await NestFactory.createApplicationContext(RestoreModule.with(parts), options);
  try {
    const report = await app.get(CatalogAdoption, { strict: false }).run(begun, say);
    process.stdout.write(isJson ? `${JSON.stringify(report)}\n` : `${wordsOf(report).join('\n')}\n`);
    return report.isWhole ? WHOLE : LEFT;
  } finally {
    await app.close();
  }
}

function wordsOf({ heldTasks, isWhole, ...figures }: AdoptionReport): string[] {
  const held = heldTasks.map(({ task, reason }) => `  task ${task} was not taken over wholly: ${reason}`);
  const end = isWhole
    ? 'The catalog is as new as its storage: start the server.'
    : 'Not all that storage knows was taken over. The server may be started: backups of other tasks and restores go on, nothing is deleted, and ' +
      'the tasks above start no run until an admin gives up what is left (storage-ahead in GET /api/maintenance).';
  const lost =
    figures.damagedChunks + figures.lostChunks === 0
      ? []
      : [
          '  Packs are missing, or bad: GET /api/damage names the files that are hit. Backups send again what machines still have.',
        ];
  return [...figureLines(figures), ...held, ...lost, end];
}

let said = '';

/** Progress, on standard error. */
function say(words: string): void {
  if (words === said) return;
  said = words;
  process.stderr.write(`${words}\n`);
}
