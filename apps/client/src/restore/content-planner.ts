import {
  type ChunkKey,
  type ContentRef,
  CorruptError,
  decodeList,
  keyString,
  MAX_CHUNK_BYTES,
  MAX_LIST_BYTES,
  UnsupportedError,
} from '#engine';
import { type ChunkFetcher } from './chunk-fetcher';
import { type ContentSink } from './create-tree';
import { NodeState, type NodeTable } from './node-table';
import { type PlacementSpool } from './placement-spool';
import { type ContentFailures } from './ports';

/** Lists asked for in one request: at most 10 MiB of them. */
const LISTS_PER_REQUEST = 512;
/** Of lists of lists fewer are opened at a time, so that what they name stays small in memory. */
const HIGH_LISTS_PER_REQUEST = 8;
const CACHED_LISTS = 256;
/** Linux holds far less of a file's extended attributes. */
const MAX_XATTR_BYTES = 64 * 1024 * 1024;

interface Reference extends ContentRef {
  number: number;
  into: 'file' | 'xattrs';
  offset: number;
}

/**
 * Turns content references into placements of data chunks: lists are fetched by the hundred, opened depth first and
 * compared with the size that their reference claims. Memory is bounded by the width of lists times their height.
 */
export class ContentPlanner implements ContentSink {
  private readonly open: Reference[] = [];
  private readonly cache = new Map<string, Buffer>();

  constructor(
    private readonly placements: PlacementSpool,
    private readonly nodes: NodeTable,
    private readonly fetcher: ChunkFetcher,
    private readonly failures: ContentFailures,
  ) {}

  async add(number: number, content: ContentRef, into: 'file' | 'xattrs'): Promise<void> {
    if (into === 'xattrs' && content.size > MAX_XATTR_BYTES) {
      this.failures.fail(number, 'its extended attributes are longer than any file system allows');
      return;
    }
    const offset = into === 'xattrs' ? this.nodes.get(number).xattrOffset : 0;
    const { height, size } = content;
    this.accept({ id: Buffer.from(content.id), height, size, number, into, offset });
    if (this.open.length >= LISTS_PER_REQUEST) await this.finish();
  }

  /** Opens every list that is still closed. */
  async finish(): Promise<void> {
    while (this.open.length > 0) await this.openSome();
  }

  private accept(reference: Reference): void {
    if (reference.height > 0) {
      this.open.push(reference);
    } else if (reference.size > MAX_CHUNK_BYTES) {
      this.failures.fail(reference.number, 'a chunk is claimed to be longer than chunks are');
    } else {
      this.placements.add({ ...reference, length: reference.size });
    }
  }

  private async openSome(): Promise<void> {
    const batch = this.takeBatch();
    const keys = new Map<string, ChunkKey>();
    for (const reference of batch) {
      const key = keyString(reference);
      if (!this.cache.has(key)) keys.set(key, reference);
    }
    const fetched = await this.fetcher.fetch([...keys.values()], keys.size * MAX_LIST_BYTES);
    for (const reference of batch) {
      const key = keyString(reference);
      const bytes = fetched.get(key) ?? this.cache.get(key);
      if (bytes === undefined) this.failures.fail(reference.number, 'the server no longer has all of its content');
      else this.openOne(reference, bytes);
    }
    for (const [key, bytes] of fetched) this.keep(key, bytes);
  }

  private takeBatch(): Reference[] {
    const batch: Reference[] = [];
    let high = 0;
    while (batch.length < LISTS_PER_REQUEST) {
      const next = this.open.at(-1);
      if (next === undefined || (next.height > 1 && high === HIGH_LISTS_PER_REQUEST)) break;
      this.open.pop();
      if (this.nodes.get(next.number).state === NodeState.failed) continue;
      if (next.height > 1) high += 1;
      batch.push(next);
    }
    return batch;
  }

  private openOne(reference: Reference, bytes: Buffer): void {
    try {
      const children = decodeList(bytes, reference.height, 'a list of chunks');
      const covered = children.reduce((sum, child) => sum + child.size, 0);
      if (covered !== reference.size) {
        throw new CorruptError('a list of chunks', `covers ${covered} bytes instead of ${reference.size}`);
      }
      const { number, into, offset } = reference;
      for (const child of children) this.accept({ ...child, number, into, offset: offset + child.offset });
    } catch (error) {
      if (!(error instanceof CorruptError || error instanceof UnsupportedError)) throw error;
      this.failures.fail(reference.number, error.message);
    }
  }

  private keep(key: string, bytes: Buffer): void {
    this.cache.set(key, bytes);
    if (this.cache.size <= CACHED_LISTS) return;
    const [oldest] = this.cache.keys();
    if (oldest !== undefined) this.cache.delete(oldest);
  }
}
