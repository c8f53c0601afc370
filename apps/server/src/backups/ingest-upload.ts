import type { BlockHeader, ChunkKey } from '#engine';

/** A chunk of an upload, verified: its bytes have this id. */
export interface UploadedChunk extends ChunkKey {
  /** `keyString` of it. */
  readonly name: string;
  /** Where it starts in its block's plain bytes, and its own plain length. */
  readonly chunkOffset: number;
  readonly chunkLength: number;
  /** Bytes of content that it covers. */
  readonly size: number;
  /** Its share of the block's bytes; the shares of a block add up to it. */
  readonly storedLength: number;
}

export interface UploadedBlock {
  /** Where it starts in the spool file, which is where it would stand in a pack of all blocks. */
  readonly offset: number;
  readonly header: BlockHeader;
  readonly chunks: readonly UploadedChunk[];
}

/** A list chunk of an upload with its bytes, which name its children. */
export interface UploadedList {
  readonly key: ChunkKey;
  readonly bytes: Buffer;
}

/** Everything about a verified upload but its bytes, which rest in the spool file. */
export interface Upload {
  readonly blocks: readonly UploadedBlock[];
  readonly lists: readonly UploadedList[];
  /** Each key once, by `keyString`: ids are deduplicated within a request. */
  readonly chunks: ReadonlyMap<string, UploadedChunk>;
}
