import { DomainError } from '../http/domain-error';
import { type RunGrant } from './run-grant';
import type { RunRow } from './run-row';

export function runOver(number: number): DomainError {
  return new DomainError('run-over', `Run ${number} is over, or its token is another one by now: nothing was changed`);
}

/**
 * Why a batch did not pass the fence. Returns when it is an old one, which is acknowledged without effect; throws
 * `run-over`, `run-committing` or `sequence-gap` otherwise.
 */
export function assertOldBatch(run: RunRow, grant: RunGrant, sequence: number): void {
  if (!run.tokenHash.equals(grant.tokenHash)) throw runOver(run.number);
  if (run.state === 'undoing' || run.state === 'failed' || run.state === 'cancelled') throw runOver(run.number);
  if (sequence < run.nextSequence) return;
  if (run.state === 'committing') {
    throw new DomainError('run-committing', `Run ${run.number} is being committed and takes no more batches`);
  }
  if (run.state !== 'running') throw runOver(run.number);
  throw new DomainError(
    'sequence-gap',
    `Batch ${sequence} of run ${run.number} came before batch ${run.nextSequence}: send that one first`,
    { details: { nextSequence: run.nextSequence } },
  );
}
