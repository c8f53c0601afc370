import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LIMITS } from '#common';
import {
  type BlockHeader,
  CorruptError,
  decodeBlockAsync,
  decodeList,
  type FramedBlock,
  freeMemory,
  freePlain,
  InvalidError,
  keyString,
  type ListChild,
  PACK_HEADER,
  PackIndexBuilder,
  type PlainChunk,
  readBlocks,
  UnsupportedError,
} from '#engine';
import { DomainError } from '../http/domain-error';
import { storageError } from '../storage/storage-error';
import type { Upload, UploadedBlock, UploadedChunk, UploadedList } from './ingest-upload';

/** What a chunk takes until its upload ends: its id, place and names. */
const HELD_PER_CHUNK = 1_024;

/** A finished file that can be put to storage. */
export interface PackFile {
  readonly file: string;
  readonly length: number;
  /** Offset in this file of each block that it holds. */
  readonly offsets: ReadonlyMap<UploadedBlock, number>;
}

export interface UploadChecks {
  /** Throws unless the uploader owns these children of a list, none of which stands before it in the upload. */
  readonly assertOwned: (children: readonly ListChild[]) => Promise<void>;
  /** Called before the upload takes memory that lasts until it ends; may throw. */
  readonly onMemory: (bytes: number) => void;
  /** Called as bytes come in: over a thin line one block takes long. */
  readonly onProgress: () => Promise<void>;
}

/**
 * One upload on local disk. The blocks are verified while they come in, one at a time, and written as the beginning of a
 * pack; the source is read only as fast as that goes. Memory: one block, and what `LIMITS` allow of headers and lists.
 */
export class IngestSpool {
  private readonly blocks: UploadedBlock[] = [];
  private readonly lists: UploadedList[] = [];
  private readonly chunks = new Map<string, UploadedChunk>();
  private readonly index = new PackIndexBuilder();
  private readonly files: string[] = [];
  private chunkCount = 0;
  private listBytes = 0;
  private isFinished = false;

  private constructor(
    private readonly directory: string,
    private readonly path: string,
    private readonly handle: FileHandle,
  ) {
    this.files.push(path);
  }

  static async create(directory: string): Promise<IngestSpool> {
    const path = join(directory, `upload-${randomUUID()}`);
    try {
      return new IngestSpool(directory, path, await open(path, 'wx+', 0o600));
    } catch (error) {
      throw storageError('spool', 'an upload', error);
    }
  }

  /** Takes the whole body in. Throws DomainErrors: `too-large`, `invalid` (bytes are not what they must be). */
  async receive(body: AsyncIterable<Uint8Array>, checks: UploadChecks): Promise<Upload> {
    await this.write(PACK_HEADER);
    try {
      for await (const block of readBlocks(watched(body, checks.onProgress), { maxBytes: LIMITS.packBodyBytes })) {
        this.countChunks(block.header.chunks.length);
        checks.onMemory(block.header.chunks.length * HELD_PER_CHUNK);
        if (!this.index.fits(block.header)) throw new InvalidError('the blocks and their index do not fit into a pack');
        const [{ chunks }] = await Promise.all([
          decodeBlockAsync(block.bytes, `block at byte ${block.offset} of the upload`),
          this.write(block.bytes),
        ]);
        await this.addBlock(block, chunks, checks);
        // What stays of them (ids, lists) was copied.
        freePlain(chunks, block.bytes);
        if (block.isOwn) freeMemory(block.bytes);
      }
    } catch (error) {
      throw uploadError(error);
    }
    return { blocks: this.blocks, lists: this.lists, chunks: this.chunks };
  }

  /**
   * A pack of these blocks of the upload. When they are all, the spool file itself becomes it; but only the first time,
   * because storage may by then hold a link to it.
   */
  async makePack(kept: readonly UploadedBlock[]): Promise<PackFile> {
    try {
      if (kept.length === this.blocks.length && !this.isFinished) return await this.finishSpool();
      return await this.copyBlocks(kept);
    } catch (error) {
      throw storageError('spool', 'a pack', error);
    }
  }

  /** Removes all files of this upload; never throws: what is left goes at the next start. */
  async remove(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    for (const file of this.files) await rm(file, { force: true }).catch(() => undefined);
  }

  private countChunks(count: number): void {
    this.chunkCount += count;
    if (this.chunkCount > LIMITS.packChunks) throw new InvalidError(`more than ${LIMITS.packChunks} chunks`);
  }

  private async addBlock({ header }: FramedBlock, chunks: readonly PlainChunk[], checks: UploadChecks): Promise<void> {
    let chunkOffset = 0;
    const uploaded: UploadedChunk[] = [];
    for (const [position, chunk] of chunks.entries()) {
      // The header's id holds memory of its own; the decoded block's goes.
      const id = header.chunks[position]?.id ?? Buffer.from(chunk.id);
      const key = { id, height: chunk.height };
      const chunkLength = chunk.bytes.length;
      const size = chunk.height === 0 ? chunkLength : await this.addList({ ...key, bytes: chunk.bytes }, checks);
      const name = keyString(key);
      const storedLength = shareOf(header, chunkOffset + chunkLength) - shareOf(header, chunkOffset);
      const entry = { id, height: chunk.height, name, chunkOffset, chunkLength, size, storedLength };
      uploaded.push(entry);
      if (!this.chunks.has(name)) this.chunks.set(name, entry);
      chunkOffset += chunkLength;
    }
    this.blocks.push({ offset: this.index.add(header), header, chunks: uploaded });
  }

  /** Checks the list's children against what came before it in this upload, and asks for the others. Returns its size. */
  private async addList(list: PlainChunk, checks: UploadChecks): Promise<number> {
    this.listBytes += list.bytes.length;
    if (this.listBytes > LIMITS.packListBytes)
      throw new InvalidError(`more than ${LIMITS.packListBytes} bytes of lists`);
    checks.onMemory(list.bytes.length);
    const bytes = Buffer.from(list.bytes);
    const place = `list ${list.id.toString('hex')}`;
    const children = decodeList(bytes, list.height, place);
    const elsewhere: ListChild[] = [];
    let size = 0;
    for (const child of children) {
      size += child.size;
      const before = this.chunks.get(keyString(child));
      if (before === undefined) elsewhere.push(child);
      else if (before.size !== child.size) throw wrongSize(child, before.size);
    }
    if (elsewhere.length > 0) await checks.assertOwned(elsewhere);
    this.lists.push({ key: { id: list.id, height: list.height }, bytes });
    return size;
  }

  private async finishSpool(): Promise<PackFile> {
    this.isFinished = true;
    const footer = this.index.finish();
    await writeAll(this.handle, footer);
    const offsets = new Map(this.blocks.map((block) => [block, block.offset]));
    return { file: this.path, length: this.index.length + footer.length, offsets };
  }

  private async copyBlocks(kept: readonly UploadedBlock[]): Promise<PackFile> {
    const file = join(this.directory, `pack-${randomUUID()}`);
    this.files.push(file);
    const index = new PackIndexBuilder();
    const offsets = new Map<UploadedBlock, number>();
    const target = await open(file, 'wx', 0o600);
    try {
      await writeAll(target, PACK_HEADER);
      for (const block of kept) {
        const bytes = Buffer.allocUnsafe(block.header.totalLength);
        const { bytesRead } = await this.handle.read(bytes, 0, bytes.length, block.offset);
        if (bytesRead !== bytes.length) throw new Error(`the spooled upload ends within a block`);
        offsets.set(block, index.add(block.header));
        await writeAll(target, bytes);
      }
      const footer = index.finish();
      await writeAll(target, footer);
      return { file, length: index.length + footer.length, offsets };
    } finally {
      await target.close();
    }
  }

  private async write(bytes: Buffer): Promise<void> {
    try {
      await writeAll(this.handle, bytes);
    } catch (error) {
      throw storageError('spool', 'an upload', error);
    }
  }
}

async function* watched(
  body: AsyncIterable<Uint8Array>,
  onProgress: () => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of body) {
    await onProgress();
    yield piece;
  }
}

/** Of a block's stored bytes, those of its plain bytes before `end`. */
export function shareOf(
  { totalLength, plainLength }: Pick<BlockHeader, 'totalLength' | 'plainLength'>,
  end: number,
): number {
  return Math.floor((totalLength * end) / plainLength);
}

/** Shared with the check against the catalog. */
export function wrongSize(child: ListChild, size: number): DomainError {
  return new DomainError(
    'invalid',
    `A list says that chunk ${child.id.toString('hex')} covers ${child.size} bytes; it covers ${size}: nothing was stored`,
  );
}

/** At the file's current position. */
async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written)).bytesWritten;
  }
}

/** The engine's refusals are the sender's fault here: nothing that we store is damaged. */
function uploadError(error: unknown): unknown {
  if (error instanceof InvalidError) {
    return new DomainError('too-large', `The upload was refused: ${error.message}`, { cause: error });
  }
  if (error instanceof CorruptError || error instanceof UnsupportedError) {
    return new DomainError('invalid', `The upload was refused, nothing was stored: ${error.message}`, { cause: error });
  }
  return error;
}
