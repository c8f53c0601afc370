import { LIMITS } from '#common';
import { EMPTY_CHAIN_DIGEST, encodeChange, keyString, nextChainDigest, RecordStreamEncoder } from '#engine';
import type { RunToken, ServerApi } from '../server-api/server-api';
import { isProblem, missingKeysOf } from '../server-api/server-problem';
import type { Step } from './window';

/** Each batch is a commit of the server's, and a sync of its disk. Its transaction takes some 40 ms at this size. */
const BATCH_RECORDS = LIMITS.batchRecords;
const BATCH_BYTES = LIMITS.batchBytes / 2;
const MAX_REPAIRS = 3;

/** What becomes of steps whose chunks the server does not have (any more). */
export interface Repair {
  /** Reads the path again and uploads what it holds; null when that is not possible. */
  again(step: Step): Promise<Step | null>;
  /** The last word after too many tries: a step that needs no such chunk, or null. */
  giveUp(step: Step): Step | null;
}

/** Sends changes in numbered batches, in order, and keeps count for the commit. */
export class BatchSender {
  batches = 0;
  changes = 0;
  digest: Buffer = EMPTY_CHAIN_DIGEST;

  constructor(
    private readonly api: ServerApi,
    private readonly run: RunToken,
    private readonly repair: Repair,
  ) {}

  /** Sends what the steps change; yields each step as it was sent, once the server has it. */
  async *send(steps: readonly Step[]): AsyncGenerator<Step, void, undefined> {
    for (const batch of splitBatches(steps)) yield* await this.sendBatch(batch);
  }

  private async sendBatch(steps: readonly Step[]): Promise<readonly Step[]> {
    let current = steps;
    for (let tries = 0; ; tries++) {
      const changes = current.filter((step) => step.change !== null);
      if (changes.length === 0) return current;
      const encoder = new RecordStreamEncoder('changes');
      const pieces: Buffer[] = [];
      for (const { change } of changes) {
        const ready = change === null ? null : encoder.add(encodeChange(change));
        if (ready !== null) pieces.push(ready);
      }
      pieces.push(encoder.finish());
      try {
        await this.api.sendBatch(this.run, this.batches + 1, Buffer.concat(pieces));
      } catch (error) {
        if (!isProblem(error, 'missing-chunks')) throw error;
        // Nothing of the batch was applied: its number is free for the repaired one.
        const missing = new Set(missingKeysOf(error).map(keyString));
        current = await this.repairSteps(current, missing, tries >= MAX_REPAIRS);
        continue;
      }
      this.batches += 1;
      this.changes += changes.length;
      this.digest = nextChainDigest(this.digest, encoder.digest);
      return current;
    }
  }

  private async repairSteps(steps: readonly Step[], missing: ReadonlySet<string>, isLastTry: boolean): Promise<Step[]> {
    const isNamed = (step: Step) => step.contents.some((content) => missing.has(keyString(content)));
    const hasLists = (step: Step) => step.contents.some((content) => content.height > 0);
    const named = steps.filter(isNamed);
    const unnamed = new Set(missing);
    for (const step of named) for (const content of step.contents) unnamed.delete(keyString(content));
    // A chunk that no step names itself lies below some list; which one, only reading tells.
    const isAffected = (step: Step) => isNamed(step) || (unnamed.size > 0 && hasLists(step));
    const repaired: Step[] = [];
    for (const step of steps) {
      const next = !isAffected(step) ? step : isLastTry ? this.repair.giveUp(step) : await this.repair.again(step);
      if (next !== null) repaired.push(next);
      else if (step.oldLine !== null) {
        repaired.push({ change: null, contents: [], line: step.oldLine, oldLine: step.oldLine });
      }
    }
    if (!steps.some(isAffected)) throw new Error('the server misses chunks that no change of the batch refers to');
    return repaired;
  }
}

/** Steps in order, in as few batches as take them, each about the same; steps without change cost nothing and ride along. */
function* splitBatches(steps: readonly Step[]): Generator<readonly Step[]> {
  const changes = steps.reduce((count, { change }) => (change === null ? count : count + 1), 0);
  const recordsEach = Math.ceil(changes / Math.max(1, Math.ceil(changes / BATCH_RECORDS)));
  let batch: Step[] = [];
  let records = 0;
  let bytes = 0;
  for (const step of steps) {
    const length = step.change === null ? 0 : lengthOf(step);
    if (step.change !== null && (records >= recordsEach || bytes + length > BATCH_BYTES)) {
      yield batch;
      batch = [];
      records = 0;
      bytes = 0;
    }
    batch.push(step);
    bytes += length;
    if (step.change !== null) records += 1;
  }
  if (batch.length > 0) yield batch;
}

function lengthOf({ change }: Step): number {
  if (change === null) return 0;
  return 64 + change.path.length + (change.type === 'put' ? change.entry.length + change.detection.length : 0);
}
