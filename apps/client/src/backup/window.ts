import { LIMITS } from '#common';
import { type Change, type ContentRef, type EntryKind, type IndexRecord, keyString, type PlainChunk } from '#engine';

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

/** Plain bytes of chunks in one window; two are in memory at most, one being filled and one being uploaded. */
const MAX_PLAIN_BYTES = 16 * 1024 * 1024;
const MAX_CHUNKS = LIMITS.missingKeys / 2;
const MAX_STEPS = 16_384;
const MAX_STEP_BYTES = 8 * 1024 * 1024;
/** What a step takes beside its bytes, roughly: it keeps bare steps (carried paths) from piling up. */
const STEP_OVERHEAD_BYTES = 256;

/**
 * A stretch of the run that is sent as one: the chunks first, then the steps that need them. A step goes into the window
 * that is open after its last chunk was added, so when windows are sent in order, chunks are always there before.
 */
export class Window {
  readonly steps: Step[] = [];
  private chunks = new Map<string, PlainChunk>();
  private plainBytes = 0;
  private stepBytes = 0;

  /** `memory`, from allocate(), holds the chunks' bytes until takeChunks() was dealt with; then it may serve another window. */
  constructor(readonly memory: Buffer) {}

  static allocate(): Buffer {
    return Buffer.allocUnsafeSlow(MAX_PLAIN_BYTES);
  }

  get isEmpty(): boolean {
    return this.steps.length === 0 && this.chunks.size === 0;
  }

  get isFull(): boolean {
    return this.stepBytes >= MAX_STEP_BYTES || this.steps.length >= MAX_STEPS || this.chunks.size >= MAX_CHUNKS;
  }

  hasRoomFor(chunk: PlainChunk): boolean {
    return this.chunks.size === 0 || this.plainBytes + chunk.bytes.length <= MAX_PLAIN_BYTES;
  }

  has(chunk: PlainChunk): boolean {
    return this.chunks.has(keyString(chunk));
  }

  /** Copies the bytes: the caller's buffer is used again. The caller has asked hasRoomFor(). */
  addChunk(chunk: PlainChunk): void {
    const bytes = this.memory.subarray(this.plainBytes, this.plainBytes + chunk.bytes.length);
    bytes.set(chunk.bytes);
    this.chunks.set(keyString(chunk), { id: chunk.id, height: chunk.height, bytes });
    this.plainBytes += chunk.bytes.length;
  }

  addStep(step: Step): void {
    this.steps.push(step);
    const record = step.line?.record ?? step.oldLine?.record;
    const bytes = record === undefined ? 0 : record.path.length + record.entry.length + record.detection.length;
    this.stepBytes += bytes + (step.carried?.framed.length ?? 0) + STEP_OVERHEAD_BYTES;
  }

  /** The chunks, in order; the window lets go of them. Their bytes lie in `memory`. */
  takeChunks(): Map<string, PlainChunk> {
    const taken = this.chunks;
    this.chunks = new Map();
    return taken;
  }
}
