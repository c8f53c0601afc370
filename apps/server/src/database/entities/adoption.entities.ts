import { bigint, bytes, flag, int, primary, text, type TableSpec } from './table';

/** A chunk in a pack that this catalog knew nothing of, while it takes over what its storage knows. */
export class FoundChunkRow {
  /** 32 bytes */
  id!: Buffer;
  height!: number;
  pack_no!: number;
  block_offset!: number;
  block_length!: number;
  chunk_offset!: number;
  chunk_length!: number;
  /** Its share of the block. */
  stored_length!: number;
}

export const foundChunksTable: TableSpec<FoundChunkRow> = {
  target: FoundChunkRow,
  name: 'found_chunks',
  columns: {
    id: primary(bytes),
    height: primary(flag),
    pack_no: primary(int),
    block_offset: int,
    block_length: int,
    chunk_offset: int,
    chunk_length: int,
    stored_length: int,
  },
  isClustered: true,
};

/** A task of which storage knows runs that could not be taken over: no run of it starts. */
export class HeldTaskRow {
  task_no!: number;
  /** For people. */
  reason!: string;
  since_at!: number;
}

export const heldTasksTable: TableSpec<HeldTaskRow> = {
  target: HeldTaskRow,
  name: 'held_tasks',
  columns: { task_no: primary(int), reason: text, since_at: bigint },
};
