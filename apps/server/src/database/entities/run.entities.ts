import type { RunState, RunTrigger } from '#common';
import { PolicyColumns, policyColumns } from './retention.entities';
import { smallKey, int, bigint, flag, text, bytes, nullable, primary, withDefault, type TableSpec } from './table';

/** What a client backs up: one line of runs. */
export class TaskRow extends PolicyColumns {
  no!: number;
  /** UUID */
  id!: string;
  client_no!: number;
  name!: string;
  /** Number of the newest committed run. */
  head_run!: number | null;
  last_run_number!: number;
  /** Raised when history changed behind the agent's back (forget, adoption, a restored catalog). */
  generation!: number;
  /** Newest stamp that the task issued, ms. */
  last_stamp!: number;
  created_at!: number;
  /** IANA name; null: the server's. */
  time_zone!: string | null;
  /** Retention works on the task until then at the latest, ms: no run starts. */
  retention_until!: number;
  /** Null: made by the agent's command line. */
  origin!: 'server' | 'agent' | null;
  /** JSON of TaskDefinition; null: none (yet). */
  definition!: string | null;
  /** Since when the schedule is what it is, ms; 0: there is none. */
  scheduled_since!: number;
  /** The first due time after the last good run, or since the schedule was set, ms; null: it is not due by itself. */
  due_from!: number | null;
  /** Of the head: when it was made, and what it shows. Beside the run's own row, for lists of thousands of tasks. */
  good_at!: number | null;
  good_bytes!: number | null;
  /** Of the newest run that ended, runs that never began left out. */
  ended_outcome!: 'succeeded' | 'partial' | 'failed' | 'cancelled' | null;
  ended_at!: number | null;
  /**
   * Of all its runs that ended: how many are snapshots, what those show, each in full, and what all of them brought that was new,
   * and what that became in storage. Null: nobody has counted yet.
   */
  snapshots!: number | null;
  shown_bytes!: number | null;
  brought_bytes!: number | null;
  brought_stored!: number | null;
  /** As the agent told at its last ping. */
  next_due_at!: number | null;
  deleted_at!: number | null;
  purge_after!: number | null;
}

export const tasksTable: TableSpec<TaskRow> = {
  target: TaskRow,
  name: 'tasks',
  columns: {
    no: smallKey,
    id: text,
    client_no: int,
    name: text,
    head_run: nullable(int),
    last_run_number: withDefault(int, 0),
    generation: withDefault(int, 0),
    last_stamp: withDefault(bigint, 0),
    created_at: bigint,
    ...policyColumns,
    time_zone: nullable(text),
    retention_until: withDefault(bigint, 0),
    origin: nullable(text),
    definition: nullable(text),
    scheduled_since: withDefault(bigint, 0),
    due_from: nullable(bigint),
    good_at: nullable(bigint),
    good_bytes: nullable(bigint),
    ended_outcome: nullable(text),
    ended_at: nullable(bigint),
    snapshots: nullable(bigint),
    shown_bytes: nullable(bigint),
    brought_bytes: nullable(bigint),
    brought_stored: nullable(bigint),
    next_due_at: nullable(bigint),
    deleted_at: nullable(bigint),
    purge_after: nullable(bigint),
  },
  indices: [
    { name: 'tasks_id', columns: ['id'], isUnique: true },
    { name: 'tasks_client_name', columns: ['client_no', 'name'], isUnique: true },
  ],
};

export class RunRow {
  task_no!: number;
  /** Per task, from 1, never reused. */
  number!: number;
  /** UUID */
  id!: string;
  state!: RunState;
  /** What the run becomes when its commit goes through (or, undone, what it ended as); stored when that starts. */
  outcome!: 'succeeded' | 'partial' | 'failed' | 'cancelled' | null;
  /** SHA-256 of the fencing token. */
  token_hash!: Buffer;
  next_seq!: number;
  /** nextChainDigest of the batches so far. */
  chain_digest!: Buffer;
  change_count!: number;
  /** Batches that the next three tell of: all that there were, unless an older server took some. */
  counted_batches!: number;
  /** Rows of file_versions that the run wrote, that it closed, and of those the ones without a newer version in their place. */
  versions_written!: number;
  versions_closed!: number;
  versions_ended!: number;
  /** The head when the run started. */
  parent_run!: number | null;
  lease_until!: number;
  started_at!: number;
  ended_at!: number | null;
  /** Server time of the commit, ms. */
  stamp!: number | null;
  platform!: string;
  chunker!: string;
  /** Root paths, in an encoding of the runs feature. */
  roots!: Buffer;
  /** JSON array of patterns. */
  excludes!: string;
  error!: string | null;
  files!: number;
  directories!: number;
  logical_bytes!: number;
  read_bytes!: number;
  new_chunks!: number;
  new_bytes!: number;
  stored_bytes!: number;
  unsaved_count!: number;
  /** 1: retention took versions that this snapshot showed. */
  is_thinned!: number;
  /** Null: before there were triggers. */
  started_by!: RunTrigger | null;
  /** The due time that it was for; of a missed one the first of the gap. */
  due_at!: number | null;
  /** When somebody told it to run, ms. */
  queued_at!: number | null;
  /** Due times that a missed run stands for. */
  missed_count!: number | null;
  cancel_requested_at!: number | null;
  /** JSON of what the agent told last; see RunProgress. */
  progress!: string | null;
}

export const runsTable: TableSpec<RunRow> = {
  target: RunRow,
  name: 'runs',
  columns: {
    task_no: primary(int),
    number: primary(int),
    id: text,
    state: text,
    outcome: nullable(text),
    token_hash: bytes,
    next_seq: withDefault(bigint, 1),
    chain_digest: bytes,
    change_count: withDefault(bigint, 0),
    counted_batches: withDefault(bigint, 0),
    versions_written: withDefault(bigint, 0),
    versions_closed: withDefault(bigint, 0),
    versions_ended: withDefault(bigint, 0),
    parent_run: nullable(int),
    lease_until: bigint,
    started_at: bigint,
    ended_at: nullable(bigint),
    stamp: nullable(bigint),
    platform: text,
    chunker: text,
    roots: bytes,
    excludes: text,
    error: nullable(text),
    files: withDefault(bigint, 0),
    directories: withDefault(bigint, 0),
    logical_bytes: withDefault(bigint, 0),
    read_bytes: withDefault(bigint, 0),
    new_chunks: withDefault(bigint, 0),
    new_bytes: withDefault(bigint, 0),
    stored_bytes: withDefault(bigint, 0),
    unsaved_count: withDefault(bigint, 0),
    is_thinned: withDefault(flag, 0),
    started_by: nullable(text),
    due_at: nullable(bigint),
    queued_at: nullable(bigint),
    missed_count: nullable(int),
    cancel_requested_at: nullable(bigint),
    progress: nullable(text),
  },
  indices: [
    { name: 'runs_id', columns: ['id'], isUnique: true },
    // What became of a task's runs, day by day, without their wide rows.
    { name: 'runs_outcomes', columns: ['task_no', 'number', 'state', 'started_at', 'ended_at'] },
    // One active run per task; also how expired runs are found.
    {
      name: 'runs_active',
      columns: ['task_no'],
      isUnique: true,
      where: "state = ANY (ARRAY['running'::text, 'committing'::text, 'undoing'::text])",
    },
    // One waiting run per task.
    { name: 'runs_queued', columns: ['task_no'], isUnique: true, where: "(state = 'queued'::text)" },
  ],
};

/** A file that a run could not save, or a note. At most LIMITS.problemsPerRun per run. */
export class RunProblemRow {
  task_no!: number;
  run_number!: number;
  /** From 1 within the run. */
  seq!: number;
  path!: Buffer;
  kind!: 'unsaved' | 'note';
  reason!: string;
}

export const runProblemsTable: TableSpec<RunProblemRow> = {
  target: RunProblemRow,
  name: 'run_problems',
  columns: {
    task_no: primary(int),
    run_number: primary(int),
    seq: primary(int),
    path: bytes,
    kind: text,
    reason: text,
  },
  isClustered: true,
};

/** Chunks that a run sent, by their row numbers, wherever they lie; until the run can no longer be gone on with. */
export class RunUploadRow {
  task_no!: number;
  run_number!: number;
  /** Of its domain; what others sent meanwhile lies between. */
  first_no!: number;
  last_no!: number;
  domain_no!: number;
}

export const runUploadsTable: TableSpec<RunUploadRow> = {
  target: RunUploadRow,
  name: 'run_uploads',
  columns: {
    task_no: primary(int),
    run_number: primary(int),
    first_no: primary(bigint),
    last_no: primary(bigint),
    domain_no: int,
  },
  isClustered: true,
};

/** Which paths a batch of an active run touched. See RunBatchesRepository. */
export class RunBatchRow {
  task_no!: number;
  run_number!: number;
  /** The batch's, from 1. */
  seq!: number;
  /** encodePathNumbers */
  paths!: Buffer;
}

export const runBatchesTable: TableSpec<RunBatchRow> = {
  target: RunBatchRow,
  name: 'run_batches',
  columns: { task_no: primary(int), run_number: primary(int), seq: primary(bigint), paths: bytes },
  isClustered: true,
};
