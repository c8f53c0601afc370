import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import type { LoggerService, NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { onHangUp, outlivesTerminal, reachedAt } from '#common';
import { isForOperator } from './journal/for-operator';
import { openServerLog } from './journal/open-server-log';
import { AppModule } from './app.module';
import { HELP, parseJobWords } from './cli/job-words';
import { restoreCatalog } from './cli/restore-catalog';
import { parseRestoreWords } from './cli/restore-words';
import { runJob } from './cli/run-job';
import { loadServerSettings, SettingsError, type ServerSettings } from './config/server-settings';
import { UsageError, WrongFileError } from './config/start-error';
import { SERVER_VERSION } from './config/version';
import { CommandPolls } from './fleet/command-polls';
import { LiveEvents } from './fleet/live-events';
import { configureHttp } from './http/configure-http';
import type { Connections } from './http/connections';
import { holdSqliteDatabase } from './database/sqlite-file-lock';
import { assertPortIsFree, portError } from './http/port';
import { resetPassword } from './reset-password';
import { ScrubService } from './scrub/scrub.service';
import { DiskClaim } from './storage/disk-claim';
import { refuseForeignOwner } from './storage/foreign-owner';
import { ServedCertificate } from './tls/served-certificate';

const FAILED = 1;
const MISUSED = 2;
const DRAIN_LIMIT_MS = 20_000;
const HANDSHAKE_TIMEOUT_MS = 15_000;

/**
 * Runs the server until it is told to stop, or the command that `words` name. Exit codes: 0 stopped or done, 1 could not
 * start or do it, 2 settings or words are wrong; those of jobs stand in {@link HELP}.
 */
export async function serve(
  env: Readonly<Record<string, string | undefined>>,
  words: readonly string[] = [],
): Promise<void> {
  // What the server writes (database, secrets, backups) is for its own account only.
  process.umask(0o077);
  try {
    const [command, ...rest] = words;
    const told = toldBy(words);
    if (told !== null) {
      process.stdout.write(told);
      return;
    }
    const jobWords = parseJobWords(words);
    const restoreWords = parseRestoreWords(words);
    const settings = Object.assign(loadServerSettings(env), { outlivesTerminal: outlivesTerminal(env) });
    refuseForeignOwner(settings);
    if (jobWords !== null) process.exit(await runJob(settings, jobWords));
    if (restoreWords !== null) process.exit(await restoreCatalog(settings, restoreWords));
    if (command === 'reset-password') {
      await resetPassword(settings, rest);
      return;
    }
    if (command !== undefined) {
      throw new UsageError(
        `There is no command ${JSON.stringify(command)}; "holdfast-server --help" names them, none serves.`,
      );
    }
    await assertPortIsFree(settings.port);
    if (settings.databaseUrl === null) await holdSqliteDatabase(settings.databasePath, { onWait: tellOfWait });
    const { app, connections } = await start(settings);
    stopOnSignals(app, connections, settings);
    process.stdout.write(`Holdfast serves on ${boundTo(app, settings)} (${describe(settings)})\n`);
  } catch (error) {
    process.stderr.write(`${wordsFor(error)}\n`);
    const isMisused = [SettingsError, UsageError, WrongFileError].some((kind) => error instanceof kind);
    process.exit(isMisused ? MISUSED : FAILED);
  }
}

/** What needs no settings. */
function toldBy([command, ...rest]: readonly string[]): string | null {
  if (command === '--version') return `${SERVER_VERSION}\n`;
  const isHelp = command === '--help' || command === '-h' || command === 'help' || rest.includes('--help');
  return isHelp ? HELP : null;
}

interface Started {
  readonly app: NestExpressApplication;
  readonly connections: Connections;
}

async function start(settings: ServerSettings): Promise<Started> {
  const log = openServerLog(settings);
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest's options are an interface over a class that nobody instantiates
  const options: NestApplicationOptions = { bodyParser: false, abortOnError: false, logger: log };
  const certificate = ServedCertificate.open(settings, log);
  const { secureContext } = certificate;
  if (secureContext !== null) {
    const httpsOptions = { ...secureContext, handshakeTimeout: HANDSHAKE_TIMEOUT_MS };
    options.httpsOptions = httpsOptions;
  }
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with({ settings, log, certificate }), options);
  certificate.keepFresh(app.getHttpServer());
  const connections = configureHttp(app);
  await lookAtDoubtfulDisk(app, log);
  try {
    await app.listen(settings.port);
  } catch (error) {
    await app.close();
    throw portError(settings.port, error);
  }
  return { app, connections };
}

/** Before anything relies on it: an agent that is told "it is there" of a pack that is not would not send it. */
async function lookAtDoubtfulDisk(app: NestExpressApplication, log: LoggerService): Promise<void> {
  const claim = app.get(DiskClaim, { strict: false });
  if (!claim.isDoubtful) return;
  log.warn('The disk is not as the server before left it: looking whether every pack is there.', 'DiskClaim');
  const { packs, missingPacks } = await app
    .get(ScrubService, { strict: false })
    .markMissing(new AbortController().signal);
  log.warn(`Of ${String(packs)} packs ${String(missingPacks)} are missing.`, 'DiskClaim');
  await claim.trust();
}

function tellOfWait(): void {
  process.stderr.write('Another server works on this database: waiting for 30 s at most until it has stopped.\n');
}

function stopOnSignals(
  app: NestExpressApplication,
  connections: Connections,
  settings: Pick<ServerSettings, 'tls' | 'outlivesTerminal'>,
): void {
  let isStopping = false;
  const stop = (): void => {
    // Whoever asks twice does not want to wait; nothing is lost, a kill is survived at any moment.
    if (isStopping) process.exit(FAILED);
    isStopping = true;
    // Agents that wait for commands, and pages that wait for events, would hold up the end for as long as they wait.
    app.get(CommandPolls).release();
    app.get(LiveEvents).release();
    void connections
      .drain(DRAIN_LIMIT_MS)
      .then(() => app.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          process.stderr.write(`${wordsFor(error)}\n`);
          process.exit(FAILED);
        },
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // With TLS it means to look at the certificate (ServedCertificate).
  if (settings.tls === null) onHangUp(settings.outlivesTerminal, stop);
}

function boundTo(app: NestExpressApplication, { tls }: ServerSettings): string {
  return reachedAt(tls === null ? 'http' : 'https', app.getHttpServer().address() as AddressInfo);
}

/** Without DATABASE_URL, which holds a password. */
function describe(settings: ServerSettings): string {
  const database = settings.databaseUrl === null ? `SQLite ${settings.databasePath}` : 'PostgreSQL';
  const storage = settings.s3 === null ? settings.storagePath : `S3 ${settings.s3.bucket}/${settings.s3.prefix}`;
  return `${database}, storage ${storage}`;
}

function wordsFor(error: unknown): string {
  if (isForOperator(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
