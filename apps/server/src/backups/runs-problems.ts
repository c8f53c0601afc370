import { Injectable } from '@nestjs/common';
import { LIMITS, type RunProblemItem } from '#common';
import { InvalidError, parsePath } from '#engine';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { type Column, slices, type Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import type { RunGrant } from './run-grant';
import { RunsRepository } from './runs.repository';
import { runOver } from './runs-refusals';

interface Problem {
  readonly path: Buffer;
  readonly kind: 'unsaved' | 'note';
  readonly reason: string;
}

const COLUMNS: readonly Column[] = [
  { name: 'task_no', type: 'int' },
  { name: 'run_number', type: 'int' },
  { name: 'seq', type: 'int' },
  { name: 'path', type: 'bytes' },
  { name: 'reason', type: 'text' },
  { name: 'kind', type: 'text' },
];

/**
 * Paths that a run did not save, or that are worth a note; at most `LIMITS.problemsPerRun` are kept, and no more bytes of
 * them than `LIMITS.problemBytesPerRun`: all are read again whenever more come.
 */
@Injectable()
export class RunProblems {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly runs: RunsRepository,
  ) {}

  /** Idempotent: what the run has told already is not kept twice. Renews the lease. Throws `run-over`. */
  async add(run: RunGrant, items: readonly RunProblemItem[]): Promise<void> {
    const problems = items.map(parseProblem);
    await this.database.write('runs.problems', async (tx) => {
      const leaseUntil = (await tx.now()) + this.settings.runLeaseMs;
      if (!(await this.runs.renewLease(tx, run, leaseUntil))) throw runOver(run.runNumber);
      if (problems.length > 0) await insertNew(tx, run, problems);
    });
  }
}

/** The run's row is held, so nobody else adds to its problems meanwhile. */
async function insertNew(tx: Sql, run: RunGrant, problems: readonly Problem[]): Promise<void> {
  const known = await tx.all<Problem & { seq: number }>(
    'select seq, path, kind, reason from run_problems where task_no = ? and run_number = ?',
    [run.taskNo, run.runNumber],
  );
  const keys = new Set(known.map(keyOf));
  let sequence = known.reduce((last, { seq }) => Math.max(last, seq), 0);
  const fresh = problems.filter((problem) => {
    const key = keyOf(problem);
    if (keys.has(key)) return false;
    keys.add(key);
    return true;
  });
  let bytes = known.reduce((sum, problem) => sum + bytesOf(problem), 0);
  const kept = fresh.slice(0, Math.max(0, LIMITS.problemsPerRun - known.length)).filter((problem) => {
    bytes += bytesOf(problem);
    return bytes <= LIMITS.problemBytesPerRun;
  });
  const rows = kept.map((problem) => {
    sequence += 1;
    return [run.taskNo, run.runNumber, sequence, problem.path, problem.reason, problem.kind];
  });
  for await (const slice of slices(rows)) await tx.insertMany('run_problems', COLUMNS, slice);
}

function bytesOf(problem: Problem): number {
  return problem.path.length + Buffer.byteLength(problem.reason);
}

function keyOf(problem: Problem): string {
  return `${problem.kind} ${problem.path.toString('base64')} ${problem.reason}`;
}

function parseProblem(item: RunProblemItem): Problem {
  try {
    return { path: parsePath(Buffer.from(item.pathBase64, 'base64')), kind: item.kind, reason: item.reason };
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    throw new DomainError('invalid', `A problem's path is no path: ${error.message}`, { cause: error });
  }
}
