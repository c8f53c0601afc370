import { type ChunkKey } from '#engine';
import { KeyTable } from './key-table';

const NONE = -1;

export interface WindowLimits {
  /** Of all its chunks; one that is longer has a window of its own. */
  readonly plainBytes: number;
  readonly keys: number;
  readonly placements: number;
}

/** Chunks that are asked for in one request, and where each belongs. To be cleared and used again. */
export class ContentWindow {
  readonly keys = new KeyTable();
  private sum = 0;
  /** Of each key: the first and the last of its placements. */
  private readonly first: number[] = [];
  private readonly last: number[] = [];
  /** Of each placement: where it stands in the spool, and the next one of the same key. */
  private readonly indexes: number[] = [];
  private readonly following: number[] = [];

  constructor(private readonly limits: WindowLimits) {}

  get isEmpty(): boolean {
    return this.indexes.length === 0;
  }

  /** Of all its chunks. */
  get plainBytes(): number {
    return this.sum;
  }

  /** Placement `index` needs the chunk, which is so long. False: there is no room for it, and nothing was added. */
  tryAdd(key: ChunkKey, length: number, index: number): boolean {
    const { limits, keys, indexes } = this;
    if (indexes.length >= limits.placements) return false;
    let number = keys.find(key);
    if (number === undefined) {
      const isFull = this.sum + length > limits.plainBytes || keys.count >= limits.keys;
      if (isFull && indexes.length > 0) return false;
      number = keys.add(key);
      this.sum += length;
      this.first.push(indexes.length);
    } else {
      this.following[this.last[number] as number] = indexes.length;
    }
    this.last[number] = indexes.length;
    indexes.push(index);
    this.following.push(NONE);
    return true;
  }

  /** Of the key with this number, in the order in which they were added. */
  placementsOf(number: number): number[] {
    const found: number[] = [];
    for (let at = this.first[number] ?? NONE; at !== NONE; at = this.following[at] as number) {
      found.push(this.indexes[at] as number);
    }
    return found;
  }

  clear(): void {
    this.keys.clear();
    this.sum = 0;
    for (const list of [this.first, this.last, this.indexes, this.following]) list.length = 0;
  }
}
