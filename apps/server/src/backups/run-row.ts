import type { RunState } from '#common';

/**
 * `outcome` is what the run becomes when it is over: `succeeded` or `partial` from the start of its commit, `failed` or
 * `cancelled` from the start of its undo. `stampMs` is set when its commit starts, so a run with a stamp may have a
 * manifest in storage, whatever became of it.
 */
type RunOutcome = 'succeeded' | 'partial' | 'failed' | 'cancelled';

export interface RunKey {
  readonly taskNo: number;
  readonly number: number;
}

export interface RunRow extends RunKey {
  readonly runId: string;
  readonly taskId: string;
  readonly state: RunState;
  readonly outcome: RunOutcome | null;
  readonly tokenHash: Buffer;
  readonly nextSequence: number;
  readonly chainDigest: Buffer;
  readonly changeCount: number;
  /** Batches whose touches are counted; all but those that an older server took. */
  readonly countedBatches: number;
  /** See RunTouches. */
  readonly versionsWritten: number;
  readonly versionsClosed: number;
  readonly versionsEnded: number;
  readonly parentRun: number | null;
  readonly parentRunId: string | null;
  readonly leaseUntil: number;
  readonly startedAt: number;
  readonly stampMs: number | null;
  readonly platform: string;
  readonly chunkerId: string;
  /** See {@link encodeRoots}. */
  readonly roots: Buffer;
  readonly error: string | null;
  /** When somebody asked for it to be cancelled. */
  readonly cancelRequestedAt: number | null;
}

/** Followed by a condition on `r`. */
export const SELECT_RUN = `
  select r.task_no as "taskNo", r.number, r.id as "runId", t.id as "taskId", r.state, r.outcome,
    r.token_hash as "tokenHash", r.next_seq as "nextSequence", r.chain_digest as "chainDigest",
    r.change_count as "changeCount", r.counted_batches as "countedBatches", r.versions_written as "versionsWritten",
    r.versions_closed as "versionsClosed", r.versions_ended as "versionsEnded",
    r.parent_run as "parentRun", p.id as "parentRunId", r.lease_until as "leaseUntil", r.started_at as "startedAt", r.stamp as "stampMs", r.platform, r.chunker as "chunkerId",
    r.roots, r.error,
    r.cancel_requested_at as "cancelRequestedAt"
  from runs r join tasks t on t.no = r.task_no
  left join runs p on p.task_no = r.task_no and p.number = r.parent_run`;
