import { type Change, type ContentRef, type EntryKind, type IndexRecord, keyString } from '#engine';
import type { OfferedChunk } from './chunk-sink';

/** A line of the next index, and what it counts for. */
export interface IndexLine {
  readonly record: IndexRecord;
  readonly kind: EntryKind;
  readonly size: number;
}

/** Lines of the old index, one after the other, that go to the next one as they are, and what they count for. */
export interface CarriedLines {
  /** Records, each after its length, as they stand in a frame: a view of it. */
  readonly framed: Buffer;
  readonly count: number;
  readonly directories: number;
  readonly logicalBytes: number;
}

/** One step of the run, in walk order: what the server is told, and what the next index will say. */
export interface Step {
  /** Null: nothing to tell (the path is as it was). */
  readonly change: Change | null;
  /** What `change` refers to. */
  readonly contents: readonly ContentRef[];
  /** Null for a closing. */
  readonly line: IndexLine | null;
  /** Instead of all of these: a stretch of paths that are as they were. */
  readonly carried?: CarriedLines;
  /** The line of the version that stays when the change cannot be sent. */
  readonly oldLine: IndexLine | null;
}

/** What a window takes. */
export interface WindowLimits {
  readonly plainBytes: number;
  readonly chunks: number;
}

/**
 * Plain bytes of chunks in one window: what becomes one pack, and what is in memory for each window under way. Small files
 * reach the number of chunks first: reading, the server's checks and its rows then run beside each other in short steps,
 * and their entries, with those of their directories, fill two batches (BatchSender).
 */
const LARGEST: WindowLimits = { plainBytes: 16 * 1024 * 1024, chunks: 1_900 };
/** The first windows are small, so that the server has something to do while a small tree is still being read. */
const FIRST: WindowLimits = { plainBytes: 2 * 1024 * 1024, chunks: 512 };
/** Memory that any window fits into. */
export const WINDOW_BYTES = LARGEST.plainBytes;
/**
 * What was read for one pack at most, where the server has most of it: a window of which it wants little waits for the next ones, and
 * a pack of a sixteenth is spared sixteen times. Of a run that is cut off so much is read again.
 */
const MAX_OFFERED_BYTES = 16 * LARGEST.plainBytes;
const MAX_STEPS = 16_384;
const MAX_STEP_BYTES = 8 * 1024 * 1024;
/** What a step takes beside its bytes, roughly: it keeps bare steps (carried paths) from piling up. */
const STEP_OVERHEAD_BYTES = 256;

/** Limits of the window number `number`, counted from 0: each takes twice what the one before took, up to the largest. */
export function limitsOf(number: number): WindowLimits {
  const factor = 2 ** Math.min(number, 16);
  return {
    plainBytes: Math.min(LARGEST.plainBytes, FIRST.plainBytes * factor),
    chunks: Math.min(LARGEST.chunks, FIRST.chunks * factor),
  };
}

/**
 * A stretch of the run that is sent as one: the chunks first, then the steps that need them. A step goes into the window
 * that is open after its last chunk was added, so when the steps of a window wait for the chunks of all windows up to it,
 * chunks are always there before.
 */
export class Window {
  readonly steps: Step[] = [];
  /** By keyString, in order. Their bytes lie in `memory`. */
  readonly chunks = new Map<string, OfferedChunk>();
  private plainBytes = 0;
  /** Of all chunks that were added, whether they are still here or not. */
  private offeredBytes = 0;
  private usedEnd = 0;
  private stepBytes = 0;

  /** `memory`, WINDOW_BYTES of it, holds the chunks' bytes until they were dealt with; then it may serve another window. */
  constructor(
    readonly memory: Buffer,
    private limits: WindowLimits = LARGEST,
  ) {}

  /** Of `memory`, what has been written. */
  get usedBytes(): number {
    return this.usedEnd;
  }

  /** Nothing is gained by waiting for what the next windows bring: there is nothing to send, or enough, or it waited long enough. */
  get isReady(): boolean {
    const { chunks, plainBytes, limits } = this;
    if (chunks.size === 0 || this.isFull || this.offeredBytes >= MAX_OFFERED_BYTES) return true;
    return plainBytes >= limits.plainBytes / 2 || chunks.size >= limits.chunks / 2;
  }

  get isEmpty(): boolean {
    return this.steps.length === 0 && this.chunks.size === 0;
  }

  get isFull(): boolean {
    const { steps, stepBytes, chunks, limits } = this;
    return stepBytes >= MAX_STEP_BYTES || steps.length >= MAX_STEPS || chunks.size >= limits.chunks;
  }

  /** False when there is no room. Copies the bytes: the caller's buffer is used again. An empty window takes any chunk. */
  tryAdd(key: string, chunk: OfferedChunk): boolean {
    const end = this.plainBytes + chunk.bytes.length;
    if (this.chunks.size > 0 && (end > this.limits.plainBytes || this.isFull)) return false;
    this.put(key, chunk);
    this.offeredBytes += chunk.bytes.length;
    return true;
  }

  /** Forgets all chunks but these, which are some of its own in their order: their bytes move together. */
  keep(wanted: readonly OfferedChunk[]): void {
    if (wanted.length === this.chunks.size) return;
    this.chunks.clear();
    this.plainBytes = 0;
    for (const chunk of wanted) this.put(keyString(chunk), chunk);
  }

  /** Takes all of the window that came after it, whose memory is then free; false, and nothing happened, when there is no room for it. */
  tryAbsorb(next: Window): boolean {
    const { limits } = next;
    if (this.plainBytes + next.plainBytes > limits.plainBytes) return false;
    if (this.chunks.size + next.chunks.size > limits.chunks) return false;
    if (this.steps.length + next.steps.length > MAX_STEPS || this.stepBytes + next.stepBytes > MAX_STEP_BYTES)
      return false;
    for (const [key, chunk] of next.chunks) this.put(key, chunk);
    for (const step of next.steps) this.steps.push(step);
    this.stepBytes += next.stepBytes;
    this.offeredBytes += next.offeredBytes;
    this.limits = limits;
    return true;
  }

  addStep(step: Step): void {
    this.steps.push(step);
    const record = step.line?.record ?? step.oldLine?.record;
    const bytes = record === undefined ? 0 : record.path.length + record.entry.length + record.detection.length;
    this.stepBytes += bytes + (step.carried?.framed.length ?? 0) + STEP_OVERHEAD_BYTES;
  }

  /** Copies the bytes behind those that are there: they may lie further on in the same memory. */
  private put(key: string, { id, height, bytes, likeness }: OfferedChunk): void {
    const end = this.plainBytes + bytes.length;
    const kept = this.memory.subarray(this.plainBytes, end);
    kept.set(bytes);
    this.chunks.set(key, { id, height, bytes: kept, likeness });
    this.plainBytes = end;
    this.usedEnd = Math.max(this.usedEnd, end);
  }
}
