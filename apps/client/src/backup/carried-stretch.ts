import { type IndexLines, type QuickSighting } from '#engine';
import type { CarriedLines } from './window';

const FILE = 1;
const DIRECTORY = 2;
/** Progress, cancelling and other work of the process wait for no more than that. */
const MAX_BYTES = 128 * 1024;

/** Gathers lines that stand next to each other in one frame of the old index. */
export class CarriedStretch {
  private frame: Buffer | null = null;
  private from = 0;
  private to = 0;
  private count = 0;
  private directories = 0;
  private logicalBytes = 0;
  private isEnough = false;

  get isEmpty(): boolean {
    return this.frame === null;
  }

  /** True once it cannot, or should not, grow any more: take() it before the next line is added. */
  get mustBeSent(): boolean {
    return this.isEnough;
  }

  /** Adds the line at hand, which follows the one that was added last, and tells of what was seen now. */
  add(old: IndexLines, now: QuickSighting): void {
    if (this.frame === null) {
      this.frame = old.frame;
      this.from = old.from;
    }
    this.to = old.to;
    this.count += 1;
    if (now.kind === DIRECTORY) this.directories += 1;
    if (now.kind === FILE) this.logicalBytes += now.size;
    this.isEnough = this.to === this.frame.length || this.to - this.from >= MAX_BYTES;
  }

  /** What was gathered; null: nothing. Then it begins anew. */
  take(): CarriedLines | null {
    if (this.frame === null) return null;
    const framed = this.frame.subarray(this.from, this.to);
    const { count, directories, logicalBytes } = this;
    this.frame = null;
    this.count = this.directories = this.logicalBytes = 0;
    this.isEnough = false;
    return { framed, count, directories, logicalBytes };
  }
}
