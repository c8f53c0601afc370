import { key, smallKey, int, bigint, flag, text, bytes, nullable, primary, withDefault, type TableSpec } from './table';

/** A chunk that a domain owns, and where its bytes lie. */
export class ChunkRow {
  no!: number;
  /** 32 bytes */
  id!: Buffer;
  /** 0: data; h: a list of references of height h-1 */
  height!: number;
  domain_no!: number;
  /** Bytes of content that it covers. */
  size!: number;
  /** 0: it lies nowhere, and is damaged. */
  pack_no!: number;
  block_offset!: number;
  block_length!: number;
  /** Where it starts in the block's plain bytes. */
  chunk_offset!: number;
  /** Its own plain length. */
  chunk_length!: number;
  /** When reclaim found it unreferenced, ms. */
  condemned_at!: number | null;
  /** 1: its stored bytes are bad. */
  damaged!: number;
  /** Its share of the block as its owner sent it, wherever its bytes lie: what it costs him as if he were alone. */
  stored_length!: number;
}

export const chunksTable: TableSpec<ChunkRow> = {
  target: ChunkRow,
  name: 'chunks',
  columns: {
    no: key,
    size: bigint,
    condemned_at: nullable(bigint),
    domain_no: int,
    pack_no: int,
    block_offset: int,
    block_length: int,
    chunk_offset: int,
    chunk_length: int,
    height: flag,
    damaged: withDefault(flag, 0),
    id: bytes,
    stored_length: withDefault(int, 0),
  },
  indices: [
    { name: 'chunks_key', columns: ['id', 'height', 'domain_no'], isUnique: true },
    // What lies in a pack: asked before one dies. Packs are written one after the other, so it grows at its end.
    { name: 'chunks_pack', columns: ['pack_no'] },
    { name: 'chunks_damaged', columns: ['no'], where: '(damaged = 1)' },
  ],
};

/** A list chunk names a child. */
export class ListRefRow {
  list_no!: number;
  child_no!: number;
}

export const listRefsTable: TableSpec<ListRefRow> = {
  target: ListRefRow,
  name: 'list_refs',
  columns: { list_no: primary(bigint), child_no: primary(bigint) },
  indices: [{ name: 'list_refs_child', columns: ['child_no'] }],
  isClustered: true,
};

/** An object in storage. */
export class PackRow {
  no!: number;
  /** Storage key. */
  key!: string;
  state!: 'uploading' | 'live' | 'dead' | 'deleted';
  /** The run that uploaded it. */
  task_no!: number;
  run_number!: number;
  /** Bytes of the object; 0 while uploading. */
  length!: number;
  /** Of all chunks that were put into it; null: before that was written down. */
  plain_bytes!: number | null;
  created_at!: number;
  changed_at!: number;
  /** When scrub read all of it back last, ms; null: never; 0: it is to be read before all others. */
  scrubbed_at!: number | null;
  /** What is wrong with it although its chunks can be read, or why it could not be read; of a dead one, why it could not be deleted; null: nothing. */
  fault!: string | null;
  /** When rows of chunks last moved from here to a new pack, or from old ones to here, ms; null: never. A catalog from before that looks for them in the old ones. */
  moved_at!: number | null;
}

export const packsTable: TableSpec<PackRow> = {
  target: PackRow,
  name: 'packs',
  columns: {
    no: smallKey,
    key: text,
    state: text,
    task_no: int,
    run_number: int,
    length: withDefault(bigint, 0),
    plain_bytes: nullable(bigint),
    created_at: bigint,
    changed_at: bigint,
    scrubbed_at: nullable(bigint),
    fault: nullable(text),
    moved_at: nullable(bigint),
  },
  indices: [
    { name: 'packs_storage_key', columns: ['key'], isUnique: true },
    { name: 'packs_space', columns: ['state', 'length'] },
  ],
};
