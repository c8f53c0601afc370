import { encodeKeys, ID_BYTES } from '#engine';
import { readExact, writeExact } from './exact-numbers';
import { PagedRows } from './paged-rows';
import { type SpoolFile, SpoolReader } from './spool-file';

/** Woken when enough was added, or nothing will be. */
interface Waiter {
  readonly count: number;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/**
 * What has to be written where, on disk, one row of 48 bytes each:
 *   0 u32 entry number · 4 u32 length, top bit: into the spool of extended attributes · 8 u64 offset · 16 32 chunk id
 */
const ROW_BYTES = 16 + ID_BYTES;
const XATTR_FLAG = 0x8000_0000;
const KEYS_PER_PIECE = 2_048;

export interface Placement {
  number: number;
  into: 'file' | 'xattrs';
  offset: number;
  length: number;
  /** Of a data chunk. */
  id: Buffer;
}

export class PlacementSpool {
  count = 0;
  private isComplete = false;
  private abandoned: Error | null = null;
  private waiters: Waiter[] = [];
  private readonly row = Buffer.alloc(ROW_BYTES);

  private readonly pages: PagedRows;

  constructor(private readonly file: SpoolFile) {
    this.pages = new PagedRows(file, ROW_BYTES);
  }

  add(placement: Placement): void {
    const { row } = this;
    row.writeUInt32LE(placement.number, 0);
    row.writeUInt32LE(placement.into === 'xattrs' ? placement.length + XATTR_FLAG : placement.length, 4);
    writeExact(row, placement.offset, 8);
    row.set(placement.id, 16);
    this.file.append(row);
    this.count += 1;
    if (this.waiters.length > 0) this.wake();
  }

  /** No more will be added. */
  complete(): void {
    // What is appended is written here, where a full disk is understood, and not while keys are being sent.
    this.file.flush();
    this.isComplete = true;
    this.wake();
  }

  /** The file will be closed: who reads keys, or waits for them, gets an error. */
  abandon(): void {
    this.abandoned = new Error('the restore has ended');
    for (const { reject } of this.waiters.splice(0)) reject(this.abandoned);
  }

  /** Resolves when there are `count`, or fewer and no more will come. */
  async filled(count: number): Promise<void> {
    if (this.abandoned !== null) throw this.abandoned;
    if (this.isComplete || this.count >= count) return;
    await new Promise<void>((resolve, reject) => this.waiters.push({ count, resolve, reject }));
  }

  get(index: number): Placement {
    const page = this.pages.page(index);
    const at = this.pages.offset(index);
    const length = page.readUInt32LE(at + 4);
    return {
      number: page.readUInt32LE(at),
      into: length >= XATTR_FLAG ? 'xattrs' : 'file',
      length: length >= XATTR_FLAG ? length - XATTR_FLAG : length,
      offset: readExact(page, at + 8),
      id: Buffer.from(page.subarray(at + 16, at + ROW_BYTES)),
    };
  }

  /** Wire form of the keys of placements [start, end), in pieces, as they are added: up to the last when there are fewer. */
  async *keys(start: number, end: number): AsyncGenerator<Buffer> {
    const reader = new SpoolReader(this.file);
    for (let from = start; from < end; from += KEYS_PER_PIECE) {
      const to = Math.min(end, from + KEYS_PER_PIECE);
      await this.filled(to);
      if (from >= this.count) return;
      const ids = Array.from({ length: Math.min(to, this.count) - from }, (_, i) => ({
        height: 0,
        id: Buffer.from(reader.read((from + i) * ROW_BYTES, ROW_BYTES).subarray(16)),
      }));
      yield encodeKeys(ids);
    }
  }

  private wake(): void {
    const isReady = ({ count }: Waiter): boolean => this.isComplete || this.count >= count;
    const ready = this.waiters.filter(isReady);
    if (ready.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => !isReady(waiter));
    for (const { resolve } of ready) resolve();
  }
}
