import type { FramedBlock } from '#engine';
import { type Placement } from './placement-spool';
import { type Node, NodeState } from './node-table';

/*
 * What is done with one block: the block as it came, and one row per place that one of its chunks belongs to. Both have
 * memory of their own, which another thread can take over. A row:
 *    0 u32 entry number · 4 u32 position of the chunk in the block · 8 f64 offset in the file · 16 u32 length
 *   20 u8 1: the chunk is the whole file, and nothing was made yet · 21 u8 0 · 22 u16 0 · 24 u64 device · 32 u64 inode
 *   40 u32 length of the path · 44 u32 length of the entry · path · entry
 */
const ROW_BYTES = 48;

export interface BlockJob {
  readonly block: Buffer<ArrayBuffer>;
  readonly rows: Buffer<ArrayBuffer>;
}

/** One place of one chunk. Path and entry share memory with the job. */
export interface JobRow {
  readonly number: number;
  readonly position: number;
  readonly offset: number;
  readonly length: number;
  readonly isWhole: boolean;
  readonly device: bigint;
  readonly inode: bigint;
  readonly path: Buffer;
  readonly entryBytes: Buffer;
}

/** What became of a job; plain data, for another thread to send. */
export interface BlockResult {
  /** False: the block is not what it claims to be, and nothing was done with it. */
  readonly isSound: boolean;
  readonly failed: readonly FailedRow[];
  /** Whole files that have hard links: which file each is. */
  readonly identities: readonly (readonly [number: number, device: bigint, inode: bigint])[];
  readonly notes: readonly (readonly [text: string, count: number])[];
}

export interface FailedRow {
  readonly number: number;
  /** Errno's name, or empty. */
  readonly code: string;
  readonly message: string;
}

/** A place as the restore's own thread knows it. */
export interface PlacedChunk {
  readonly position: number;
  readonly placement: Placement;
  readonly node: Node;
  /** The path, then the entry. */
  readonly spooled: Uint8Array;
}

/** The block's memory becomes the job's, if it is its own. */
export function encodeJob(block: FramedBlock, places: readonly PlacedChunk[]): BlockJob {
  const length = places.reduce((sum, { spooled }) => sum + ROW_BYTES + spooled.length, 0);
  const bytes = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const { position, placement, node, spooled } of places) {
    bytes.writeUInt32LE(placement.number, at);
    bytes.writeUInt32LE(position, at + 4);
    bytes.writeDoubleLE(placement.offset, at + 8);
    bytes.writeUInt32LE(placement.length, at + 16);
    bytes.writeUInt32LE(node.state === NodeState.planned ? 1 : 0, at + 20);
    bytes.writeBigUInt64LE(node.device, at + 24);
    bytes.writeBigUInt64LE(node.inode, at + 32);
    bytes.writeUInt32LE(node.pathLength, at + 40);
    bytes.writeUInt32LE(node.entryLength, at + 44);
    bytes.set(spooled, at + ROW_BYTES);
    at += ROW_BYTES + spooled.length;
  }
  return { block: block.isOwn ? block.bytes : copyOf(block.bytes), rows: bytes };
}

export function* jobRows({ rows: bytes }: BlockJob): Generator<JobRow, void> {
  for (let at = 0; at < bytes.length;) {
    const pathEnd = at + ROW_BYTES + bytes.readUInt32LE(at + 40);
    const end = pathEnd + bytes.readUInt32LE(at + 44);
    yield {
      number: bytes.readUInt32LE(at),
      position: bytes.readUInt32LE(at + 4),
      offset: bytes.readDoubleLE(at + 8),
      length: bytes.readUInt32LE(at + 16),
      isWhole: bytes.readUInt8(at + 20) === 1,
      device: bytes.readBigUInt64LE(at + 24),
      inode: bytes.readBigUInt64LE(at + 32),
      path: bytes.subarray(at + ROW_BYTES, pathEnd),
      entryBytes: bytes.subarray(pathEnd, end),
    };
    at = end;
  }
}

function copyOf(bytes: Buffer): Buffer<ArrayBuffer> {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
