import { rm } from 'node:fs/promises';
import type { NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type MaintenanceRun, onHangUp } from '#common';
import type { ServerSettings } from '../config/server-settings';
import { HOST } from '../audit/actor';
import { DomainError } from '../http/domain-error';
import { openServerLog } from '../journal/open-server-log';
import { MaintenanceService } from '../maintenance/maintenance.service';
import { type Storage, STORAGE } from '../storage/storage';
import { ErrorOutput } from './error-output';
import { assertCatalogIsThere } from './existing-catalog';
import { JobModule } from './job.module';
import { reportLines } from './job-report';
import type { JobWords } from './job-words';

const [DONE, FAILED, DAMAGED, RUNNING] = [0, 1, 3, 4];

/**
 * Runs a maintenance job in this process, also beside a running server: the lease lets one of them do it at a time, and it
 * stands in the same history. Prints what became of it; returns the exit code.
 */
export async function runJob(settings: ServerSettings, words: JobWords): Promise<number> {
  await assertCatalogIsThere(settings);
  // A bucket that is missing is none that a server works on.
  const s3 = settings.s3 === null ? null : { ...settings.s3, createBucket: false };
  // Standard output is the report's alone.
  const own = Object.assign(settings, { s3, isBesideServer: true, logLevel: 'warn' } as const);
  const log = openServerLog(own);
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest's options are an interface over a class that nobody instantiates
  const options: NestApplicationOptions = { abortOnError: false, logger: log };
  const app = await NestFactory.createApplicationContext(
    JobModule.with({ settings: own, log, terminal: new ErrorOutput() }),
    options,
  );
  const { spoolDir } = app.get<Storage>(STORAGE);
  const maintenance = app.get(MaintenanceService);
  // What the job did until then stands; it ends as failed, and the next one goes on.
  const stop = (): void => void maintenance.onModuleDestroy();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  onHangUp(settings.outlivesTerminal, stop);
  try {
    const { job, isDryRun, isFull, isJson } = words;
    const run = await maintenance.runToEnd(job, { trigger: 'person', isDryRun, isFull, by: HOST });
    process.stdout.write(isJson ? `${JSON.stringify(run)}\n` : `${reportLines(run).join('\n')}\n`);
    return exitCodeOf(run);
  } catch (error) {
    if (!(error instanceof DomainError && error.code === 'job-running')) throw error;
    process.stderr.write(`${error.message}\n`);
    return RUNNING;
  } finally {
    await app.close();
    await rm(spoolDir, { recursive: true, force: true });
  }
}

function exitCodeOf({ outcome, report }: MaintenanceRun): number {
  if (outcome !== 'succeeded') return FAILED;
  const standing = (report as { standingDamage?: number } | null)?.standingDamage ?? 0;
  return standing > 0 ? DAMAGED : DONE;
}
