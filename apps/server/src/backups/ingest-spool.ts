import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LIMITS } from '#common';
import {
  type BlockHeader,
  CorruptError,
  decodeList,
  type FramedBlock,
  freePiece,
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
import type { BlockChecks } from './block-checks';
import type { Upload, UploadedBlock, UploadedChunk, UploadedList } from './ingest-upload';

/** What a chunk takes until its upload ends: its id, place and names. */
const HELD_PER_CHUNK = 1_024;
/** Blocks that are being checked while the next one is read: with that one, as much memory as one block and its plain bytes take. */
const BLOCKS_AT_ONCE = 1;

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
 * One upload on local disk. The blocks are verified and written, as the beginning of a pack, one while the next one comes in; the
 * source is read only as fast as that goes. Memory: two blocks, and what `LIMITS` allow of headers and lists.
 */
export class IngestSpool {
  private readonly blocks: UploadedBlock[] = [];
  private readonly lists: UploadedList[] = [];
  private readonly chunks = new Map<string, UploadedChunk>();
  private readonly index = new PackIndexBuilder();
  private readonly files: string[] = [];
  /** Blocks that are being verified and written, oldest first. */
  private readonly checking: Promise<Buffer | null>[] = [];
  private chunkCount = 0;
  private listBytes = 0;
  private isFinished = false;

  private constructor(
    private readonly directory: string,
    private readonly path: string,
    private readonly handle: FileHandle,
    private readonly blockChecks: BlockChecks,
  ) {
    this.files.push(path);
  }

  static async create(directory: string, blockChecks: BlockChecks): Promise<IngestSpool> {
    const path = join(directory, `upload-${randomUUID()}`);
    try {
      return new IngestSpool(directory, path, await open(path, 'wx+', 0o600), blockChecks);
    } catch (error) {
      throw storageError('spool', 'an upload', error);
    }
  }

  /** Takes the whole body in. Throws DomainErrors: `too-large`, `invalid` (bytes are not what they must be). */
  async receive(body: AsyncIterable<Uint8Array>, checks: UploadChecks): Promise<Upload> {
    const limits = { maxBytes: LIMITS.packBodyBytes, spent: freePiece };
    try {
      await this.writeHeader();
      for await (const block of readBlocks(watched(body, checks.onProgress), limits)) await this.take(block, checks);
      while (this.checking.length > 0) await this.checking.shift();
    } catch (error) {
      throw uploadError(error);
    } finally {
      // Nobody writes into a file that is about to be a pack, or removed.
      await Promise.allSettled(this.checking);
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

  /** What the header says counts at once: when the block is not what it says, the whole upload is refused. */
  private async take(block: FramedBlock, checks: UploadChecks): Promise<void> {
    const { header } = block;
    this.countChunks(header.chunks.length);
    checks.onMemory(header.chunks.length * HELD_PER_CHUNK);
    if (!this.index.fits(header)) throw new InvalidError('the blocks and their index do not fit into a pack');
    const offset = this.index.add(header);
    const checked = this.check(block, offset);
    // Its failure is seen when its turn comes; until then it must not count as unhandled.
    checked.catch(() => undefined);
    this.checking.push(checked);
    const lists = header.kind === 'lists' ? await checked : null;
    if (this.checking.length > BLOCKS_AT_ONCE) await this.checking.shift();
    await this.addBlock({ header, offset }, lists, checks);
  }

  /** Resolves when the block was verified and written: of a block of lists, with their bytes. */
  private async check(block: FramedBlock, position: number): Promise<Buffer | null> {
    const place = `block at byte ${block.offset} of the upload`;
    const memory = block.isOwn ? block.bytes.buffer : new Uint8Array(block.bytes).buffer;
    const verdict = await this.blockChecks.check({ block: memory, place, path: this.path, position });
    if ('refused' in verdict) throw notAsItSays(verdict.refused);
    if ('failed' in verdict) {
      const { code, message } = verdict.failed;
      throw storageError('spool', 'an upload', Object.assign(new Error(message), { code }));
    }
    return verdict.lists === null ? null : Buffer.from(verdict.lists);
  }

  /** `lists`: their bytes, of a block of lists. */
  private async addBlock(
    { header, offset }: Pick<UploadedBlock, 'header' | 'offset'>,
    lists: Buffer | null,
    checks: UploadChecks,
  ): Promise<void> {
    let chunkOffset = 0;
    const uploaded: UploadedChunk[] = [];
    for (const { id, height, length } of header.chunks) {
      const name = keyString({ id, height });
      const chunkEnd = chunkOffset + length;
      const size =
        lists === null
          ? length
          : await this.addList({ id, height, bytes: lists.subarray(chunkOffset, chunkEnd) }, checks);
      const storedLength = shareOf(header, chunkEnd) - shareOf(header, chunkOffset);
      const entry = { id, height, name, chunkOffset, chunkLength: length, size, storedLength };
      uploaded.push(entry);
      if (!this.chunks.has(name)) this.chunks.set(name, entry);
      chunkOffset = chunkEnd;
    }
    this.blocks.push({ offset, header, chunks: uploaded });
  }

  /** Checks the list's children against what came before it in this upload, and asks for the others. Returns its size. */
  private async addList(list: PlainChunk, checks: UploadChecks): Promise<number> {
    this.listBytes += list.bytes.length;
    if (this.listBytes > LIMITS.packListBytes)
      throw new InvalidError(`more than ${LIMITS.packListBytes} bytes of lists`);
    checks.onMemory(list.bytes.length);
    const { bytes } = list;
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
    await writeAll(this.handle, footer, this.index.length);
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
      await writeAll(target, PACK_HEADER, 0);
      for (const block of kept) {
        const bytes = Buffer.allocUnsafe(block.header.totalLength);
        const { bytesRead } = await this.handle.read(bytes, 0, bytes.length, block.offset);
        if (bytesRead !== bytes.length) throw new Error(`the spooled upload ends within a block`);
        const offset = index.add(block.header);
        offsets.set(block, offset);
        await writeAll(target, bytes, offset);
      }
      const footer = index.finish();
      await writeAll(target, footer, index.length);
      return { file, length: index.length + footer.length, offsets };
    } finally {
      await target.close();
    }
  }

  private async writeHeader(): Promise<void> {
    try {
      await writeAll(this.handle, PACK_HEADER, 0);
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

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

/** The engine's refusals are the sender's fault here: nothing that we store is damaged. */
function uploadError(error: unknown): unknown {
  if (error instanceof InvalidError) {
    return new DomainError('too-large', `The upload was refused: ${error.message}`, { cause: error });
  }
  if (error instanceof CorruptError || error instanceof UnsupportedError) return notAsItSays(error.message, error);
  return error;
}

function notAsItSays(what: string, cause?: unknown): DomainError {
  return new DomainError('invalid', `The upload was refused, nothing was stored: ${what}`, { cause });
}
