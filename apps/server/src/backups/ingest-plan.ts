import type { StoredChunk } from './chunk-rows';
import type { Holdings } from './chunks.repository';
import type { Upload, UploadedBlock, UploadedChunk } from './ingest-upload';

export interface IngestPlan {
  /** Blocks that go into a pack, in upload order. Empty: there is nothing to store. */
  readonly kept: readonly UploadedBlock[];
  /** New to the domain and in a kept block: the row points there. */
  readonly packed: ReadonlyMap<string, { readonly chunk: UploadedChunk; readonly block: UploadedBlock }>;
  /** New to the domain and in no kept block: the row points at the place where the bytes are stored already. */
  readonly shared: ReadonlyMap<string, { readonly chunk: UploadedChunk; readonly place: StoredChunk }>;
  /** What the domain has already. */
  readonly owned: ReadonlyMap<string, StoredChunk>;
}

/**
 * Decides which blocks are stored; what the catalog said may be out of date by the time that rows are written. A block stays out when each of its chunks is owned, stored elsewhere, or in a block
 * before it that is kept. Pure.
 */
export function planIngest(upload: Upload, holdings: Holdings): IngestPlan {
  const kept: UploadedBlock[] = [];
  const packed = new Map<string, { chunk: UploadedChunk; block: UploadedBlock }>();
  for (const block of upload.blocks) {
    const fresh = block.chunks.filter(({ name }) => !holdings.owned.has(name) && !packed.has(name));
    if (!fresh.some(({ name }) => !holdings.elsewhere.has(name))) continue;
    kept.push(block);
    // Also those that are elsewhere: beside their neighbours they can later be sent without cutting the block.
    for (const chunk of fresh) {
      if (!packed.has(chunk.name)) packed.set(chunk.name, { chunk, block });
    }
  }
  const shared = new Map<string, { chunk: UploadedChunk; place: StoredChunk }>();
  for (const [name, chunk] of upload.chunks) {
    const place = holdings.elsewhere.get(name);
    if (place !== undefined && !packed.has(name) && !holdings.owned.has(name)) shared.set(name, { chunk, place });
  }
  return { kept, packed, shared, owned: holdings.owned };
}

/**
 * Bytes that the blocks with at least one of these chunks take: what the upload cost its sender as if nobody else stored
 * anything (an answer that knew of others would tell what they hold).
 */
export function storedAlone(upload: Upload, newNames: ReadonlySet<string>): number {
  const counted = new Set<string>();
  let bytes = 0;
  for (const block of upload.blocks) {
    const names = block.chunks.map(({ name }) => name).filter((name) => newNames.has(name) && !counted.has(name));
    if (names.length > 0) bytes += block.header.totalLength;
    for (const name of names) counted.add(name);
  }
  return bytes;
}
