import { MAX_CHUNK_BYTES } from './chunker';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import { type ContentRef, ID_BYTES, listChunkId, MAX_HEIGHT } from './ids';

/*
 * List chunk (docs/format.md):
 *   u8 version=1 · u8 height · u16 count · count x ( 32 id · u64 end of this child's content within the list )
 * A list is cut after a child whose id says so, so that an insertion changes the lists near it and no others.
 */
const LIST_VERSION = 1;
const LIST_HEADER_BYTES = 4;
const LIST_ROW_BYTES = ID_BYTES + 8;
const MIN_LIST_CHILDREN = 32;
const MAX_LIST_CHILDREN = 512;
/** With the minimum of 32 this makes lists of 128 children on average. */
const LIST_CUT_MODULUS = 96;

export const MAX_LIST_BYTES = LIST_HEADER_BYTES + MAX_LIST_CHILDREN * LIST_ROW_BYTES;

export interface ListChunk {
  id: Buffer;
  height: number;
  bytes: Buffer;
  /** Content bytes covered. */
  size: number;
}

export interface ListChild {
  /** Shares memory with the list's bytes. */
  id: Buffer;
  height: number;
  /** Content bytes covered. */
  size: number;
  /** Where they begin within the list's content. */
  offset: number;
}

interface Child {
  id: Buffer;
  size: number;
}

/**
 * Turns a file's data chunks, in order, into its content reference and the list chunks under it. Memory is bounded by
 * 512 children for each of 8 levels. The same sequence of chunks always gives the same lists.
 */
export class ContentBuilder {
  /** levels[h] holds the references of height h that no list names yet. */
  private readonly levels: Child[][] = [[]];

  /** Adds the next data chunk; returns the lists that it completed, children first. */
  add(child: Child): ListChunk[] {
    const lists: ListChunk[] = [];
    this.push(0, { id: child.id, size: child.size }, lists);
    return lists;
  }

  /** Returns the remaining lists, children first, and the reference: null for no chunk, height 0 for one chunk. */
  finish(): { lists: ListChunk[]; content: ContentRef | null } {
    const lists: ListChunk[] = [];
    for (let height = 0; height < this.levels.length; height++) {
      const pending = this.levels[height] ?? [];
      const [only] = pending;
      const isTop = height === this.levels.length - 1;
      if (isTop && only === undefined) return { lists, content: null };
      if (isTop && only !== undefined && pending.length === 1) {
        return { lists, content: { id: only.id, height, size: only.size } };
      }
      if (pending.length > 0) this.cut(height, lists);
    }
    throw new InvalidError(`content needs lists above height ${MAX_HEIGHT}`);
  }

  private push(height: number, child: Child, lists: ListChunk[]): void {
    const pending = (this.levels[height] ??= []);
    assertChild(child, height);
    pending.push(child);
    const isCut = pending.length >= MIN_LIST_CHILDREN && child.id.readUInt32BE(0) % LIST_CUT_MODULUS === 0;
    if (isCut || pending.length === MAX_LIST_CHILDREN) this.cut(height, lists);
  }

  private cut(height: number, lists: ListChunk[]): void {
    const list = encodeList(this.levels[height] ?? [], height + 1);
    this.levels[height] = [];
    lists.push(list);
    this.push(list.height, { id: list.id, size: list.size }, lists);
  }
}

/**
 * Strict reader of a list chunk that was found under `height` (1 to 8). Limits are checked before children are
 * allocated. Throws UnsupportedError for another version, CorruptError for everything that ContentBuilder cannot write.
 */
export function decodeList(bytes: Uint8Array, height: number, place: string): ListChild[] {
  const list = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (height < 1 || height > MAX_HEIGHT) throw new CorruptError(place, `a list of height ${height}`);
  if (list.length < LIST_HEADER_BYTES)
    throw new CorruptError(`${place}, byte ${list.length}`, 'a list chunk is cut short');
  if (list[0] !== LIST_VERSION) throw new UnsupportedError(`${place}, byte 0`, `list chunk version ${list[0] ?? ''}`);
  if (list[1] !== height) {
    throw new CorruptError(`${place}, byte 1`, `a list chunk says height ${list[1] ?? ''}, its reference ${height}`);
  }
  const count = list.readUInt16LE(2);
  if (count < 1 || count > MAX_LIST_CHILDREN) throw new CorruptError(`${place}, byte 2`, `a list of ${count} children`);
  if (list.length !== LIST_HEADER_BYTES + count * LIST_ROW_BYTES) {
    throw new CorruptError(`${place}, byte 2`, `a list of ${count} children has ${list.length} bytes`);
  }
  const children: ListChild[] = [];
  for (let index = 0, offset = 0; index < count; index++) {
    const row = LIST_HEADER_BYTES + index * LIST_ROW_BYTES;
    const end = readSize(list, row + ID_BYTES, `${place}, child ${index}`);
    const size = end - offset;
    if (size <= 0 || size > maxContentBytes(height - 1)) {
      throw new CorruptError(`${place}, child ${index}`, `a child of height ${height - 1} covers ${size} bytes`);
    }
    children.push({ id: list.subarray(row, row + ID_BYTES), height: height - 1, size, offset });
    offset = end;
  }
  return children;
}

function encodeList(children: readonly Child[], height: number): ListChunk {
  if (height > MAX_HEIGHT) throw new InvalidError(`content needs lists above height ${MAX_HEIGHT}`);
  const bytes = Buffer.alloc(LIST_HEADER_BYTES + children.length * LIST_ROW_BYTES);
  bytes[0] = LIST_VERSION;
  bytes[1] = height;
  bytes.writeUInt16LE(children.length, 2);
  let size = 0;
  children.forEach((child, index) => {
    const row = LIST_HEADER_BYTES + index * LIST_ROW_BYTES;
    size += child.size;
    if (!Number.isSafeInteger(size)) throw new InvalidError('content of more than 2^53-1 bytes');
    child.id.copy(bytes, row);
    bytes.writeBigUInt64LE(BigInt(size), row + ID_BYTES);
  });
  return { id: listChunkId(height, bytes), height, bytes, size };
}

function assertChild(child: Child, height: number): void {
  if (child.id.length !== ID_BYTES) throw new InvalidError(`a chunk id of ${child.id.length} bytes, not ${ID_BYTES}`);
  if (!Number.isSafeInteger(child.size) || child.size < 1 || child.size > maxContentBytes(height)) {
    throw new InvalidError(`a chunk of height ${height} cannot cover ${child.size} bytes`);
  }
}

/** No tree of this height covers more: a claim beyond it is false, whatever the lists below say. */
function maxContentBytes(height: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, MAX_CHUNK_BYTES * MAX_LIST_CHILDREN ** height);
}

function readSize(bytes: Buffer, offset: number, place: string): number {
  const size = bytes.readBigUInt64LE(offset);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new CorruptError(place, `a size of ${size} bytes`);
  return Number(size);
}
