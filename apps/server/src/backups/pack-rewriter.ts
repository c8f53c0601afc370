import { Injectable } from '@nestjs/common';
import { LIMITS } from '#common';
import {
  BlockBuilder,
  type ChunkKey,
  CorruptError,
  decodeBlockAsync,
  encodeBlockAsync,
  keyString,
  type PlainChunk,
  UnsupportedError,
} from '#engine';
import { Database } from '../database/database';
import { DeletionGuard } from '../guards/deletion-guard';
import { DomainError } from '../http/domain-error';
import { openBlock } from './chunk-blocks';
import { type BrokenBlock, ChunkDamage } from './chunk-damage';
import type { ChunkPlace, StoredChunk } from './chunk-rows';
import type { IngestSpool } from './ingest-spool';
import type { Upload } from './ingest-upload';
import { loopTurn } from './loop-turn';
import { PackFiles } from './pack-files';
import { newPackKey } from './pack-key';
import { PacksRepository } from './packs.repository';
import type { PackUsage } from './rewrite-plan';
import { RewriteRepository } from './rewrite.repository';

/** Rows that move in one transaction: some ten milliseconds. */
const MOVED_ROWS = 1_000;
const PAGE_ROWS = 5_000;
/** As agents do: nobody waits for it. */
const LEVEL = 3;
/** A rebuilt block is at most that much larger than its chunks. */
const BLOCK_ROOM = 5 * 1024 * 1024;

export interface RewriteResult {
  /** Bytes of the new pack; 0: there was nothing to write. */
  writtenBytes: number;
  movedChunks: number;
  /** Packs of which something could not be read; it stays where it is. */
  unreadable: UnreadablePack[];
}

interface UnreadablePack {
  readonly pack: PackUsage;
  readonly reason: string;
}

/** A block as it is, or what is in use of it. */
interface ReadBlock {
  readonly whole: Buffer | null;
  readonly cut: readonly PlainChunk[];
  readonly keys: readonly ChunkKey[];
}

interface Target {
  readonly no: number;
  readonly length: number;
  readonly plainBytes: number;
  isLive: boolean;
}

/** What rewriting writes. */
@Injectable()
export class RewriterRepositories {
  constructor(
    readonly rewrite: RewriteRepository,
    readonly packs: PacksRepository,
  ) {}
}

/**
 * Writes what is in use of some packs into a new one and moves the chunks' rows there. Every chunk is verified on the way. Broken off
 * anywhere nothing is lost: rows point at the old place or at the new one, and both are there.
 */
@Injectable()
export class PackRewriter {
  constructor(
    private readonly database: Database,
    private readonly files: PackFiles,
    private readonly repositories: RewriterRepositories,
    private readonly damage: ChunkDamage,
    private readonly guard: DeletionGuard,
  ) {}

  /** What cannot be read is left where it is: bad chunks marked as damaged, packs of which nothing could be told named. */
  async rewrite(packs: readonly PackUsage[], signal: AbortSignal): Promise<RewriteResult> {
    const spool = await this.files.spool();
    const unreadable: UnreadablePack[] = [];
    try {
      const upload = await spool.receive(this.blocks(packs, { unreadable, signal }), {
        assertOwned: () => Promise.resolve(),
        onMemory: () => undefined,
        onProgress: () => Promise.resolve(),
      });
      if (upload.blocks.length === 0) return { writtenBytes: 0, movedChunks: 0, unreadable };
      const { target, places } = await this.store(packs, upload, spool);
      let movedChunks = 0;
      for (const pack of packs) movedChunks += await this.movePack(pack.no, target, places, signal);
      // All rows were moved or swept by somebody else meanwhile: then nothing may ever point there.
      if (!target.isLive)
        await this.database.write('packs.dead', (tx) => this.repositories.packs.markDead(tx, target.no));
      return { writtenBytes: target.length, movedChunks, unreadable };
    } finally {
      await spool.remove();
    }
  }

  /** The intent row, then the bytes, as for every pack. It belongs to no run: no failed run keeps it. */
  private async store(
    packs: readonly PackUsage[],
    upload: Upload,
    spool: IngestSpool,
  ): Promise<{ target: Target; places: ReadonlyMap<string, ChunkPlace> }> {
    const { file, length, offsets } = await spool.makePack(upload.blocks);
    const key = newPackKey();
    const tasks = new Set(packs.map(({ taskNo }) => taskNo));
    const [taskNo = 0] = tasks.size === 1 ? tasks : [];
    const no = await this.database.write('packs.uploading', (tx) =>
      this.repositories.packs.insertUploading(tx, { key, taskNo, runNumber: 0 }),
    );
    await this.files.put(key, { file, length });
    const places = new Map<string, ChunkPlace>();
    let plainBytes = 0;
    for (const block of upload.blocks) {
      const place = { packNo: no, blockOffset: offsets.get(block) ?? 0, blockLength: block.header.totalLength };
      plainBytes += block.header.plainLength;
      for (const { name, chunkOffset, chunkLength } of block.chunks) {
        if (!places.has(name)) places.set(name, { ...place, chunkOffset, chunkLength });
      }
    }
    return { target: { no, length, plainBytes, isLive: false }, places };
  }

  /** The blocks of the new pack: old ones as they are where all in them is in use, else rebuilt of what is. */
  private async *blocks(
    packs: readonly PackUsage[],
    { unreadable, signal }: { unreadable: UnreadablePack[]; signal: AbortSignal },
  ): AsyncGenerator<Buffer, void, undefined> {
    const builder = new BlockBuilder();
    const room = new Room();
    for (const pack of packs) {
      for (const chunks of await this.blocksIn(pack.no)) {
        signal.throwIfAborted();
        const read = await this.readBlock(pack, chunks);
        if (read === null) continue;
        if ('reason' in read) {
          // The rest of it is not asked for: a disk that fails, or a storage that is away, answers no better.
          unreadable.push({ pack, reason: read.reason });
          break;
        }
        // What does not fit stays where it is: the next pass comes to it.
        if (!room.take(read)) return yield* flush(builder);
        if (read.whole !== null) yield read.whole;
        for (const chunk of read.cut) {
          if (builder.tryAdd(chunk)) continue;
          yield* flush(builder);
          builder.tryAdd(chunk);
        }
      }
      // Chunks of one pack do not share a block with another's: they may be somebody else's, and blocks go out whole.
      yield* flush(builder);
    }
  }

  /** Sound chunks of the pack, block by block; each in the order of their places. */
  private async blocksIn(packNo: number): Promise<StoredChunk[][]> {
    const blocks = new Map<number, StoredChunk[]>();
    for (let after = 0, isOver = false; !isOver;) {
      const place = after;
      const rows = await this.database.read((sql) => this.repositories.rewrite.chunksIn(sql, packNo, place, PAGE_ROWS));
      for (const row of rows) {
        const chunk = { ...row, condemnedAt: null, isDamaged: false };
        const block = blocks.get(row.blockOffset);
        if (block === undefined) blocks.set(row.blockOffset, [chunk]);
        else block.push(chunk);
      }
      after = rows.at(-1)?.no ?? after;
      isOver = rows.length < PAGE_ROWS;
    }
    const inOrder = [...blocks].sort(([a], [b]) => a - b).map(([, chunks]) => chunks);
    return inOrder.map((chunks) => chunks.sort((a, b) => a.chunkOffset - b.chunkOffset));
  }

  /** Null when the block cannot be used; what is bad when it is read twice is marked. A reason when it could not be told. */
  private async readBlock(
    pack: PackUsage,
    chunks: readonly StoredChunk[],
  ): Promise<ReadBlock | { readonly reason: string } | null> {
    const [first] = chunks;
    if (first === undefined) return null;
    const place = { packNo: pack.no, packKey: pack.key, offset: first.blockOffset, length: first.blockLength };
    for (let look = 1; ; look += 1) {
      const { read, bad, reason } = await this.readOnce(place, chunks);
      if (reason !== undefined) return { reason };
      if (bad === null) return read;
      if (look < 2) continue;
      await this.damage.mark([bad]);
      return read;
    }
  }

  /** `bad`: what this reading found wrong. */
  private async readOnce(
    { packNo, packKey, offset, length }: { packNo: number; packKey: string; offset: number; length: number },
    chunks: readonly StoredChunk[],
  ): Promise<{ read: ReadBlock | null; bad: BrokenBlock | null; reason?: string }> {
    const place = `${packKey}, block at byte ${offset}`;
    let bytes: Buffer | null = null;
    try {
      bytes = await this.files.get(packKey, { offset, length });
      const { whole, cut, astray } = await openBlock(bytes, { packNo, packKey, offset, length, chunks }, place);
      if (whole !== null) await decodeBlockAsync(whole, place);
      const bad = astray.length > 0 ? { packNo, offset, bytes: null, chunks: astray } : null;
      return { read: { whole, cut, keys: chunks }, bad };
    } catch (error) {
      if (error instanceof UnsupportedError) return { read: null, bad: null };
      if (error instanceof DomainError && error.code === 'storage-unavailable')
        return { read: null, bad: null, reason: error.message };
      const isGone = error instanceof DomainError && (error.code === 'object-missing' || error.code === 'corrupt');
      if (!isGone && !(error instanceof CorruptError)) throw error;
      return { read: null, bad: { packNo, offset, bytes, chunks } };
    }
  }

  private async movePack(
    from: number,
    target: Target,
    places: ReadonlyMap<string, ChunkPlace>,
    signal: AbortSignal,
  ): Promise<number> {
    let moved = 0;
    for (let after = 0, isOver = false; !isOver;) {
      signal.throwIfAborted();
      const place = after;
      const rows = await this.database.read((sql) => this.repositories.rewrite.chunksIn(sql, from, place, MOVED_ROWS));
      const moves = new Map<number, ChunkPlace>();
      for (const row of rows) {
        const to = places.get(keyString(row));
        if (to !== undefined) moves.set(row.no, to);
      }
      moved += await this.move(from, target, moves);
      await loopTurn();
      after = rows.at(-1)?.no ?? after;
      isOver = rows.length < MOVED_ROWS;
    }
    return moved;
  }

  private async move(from: number, target: Target, moves: ReadonlyMap<number, ChunkPlace>): Promise<number> {
    if (moves.size === 0) return 0;
    const { rewrite, packs } = this.repositories;
    const moved = await this.database.write('reclaim.move', async (tx) => {
      await this.guard.assertIn(tx);
      const states = await rewrite.hold(tx, [from, target.no]);
      if (states.get(target.no) !== (target.isLive ? 'live' : 'uploading')) throw givenUp();
      if (states.get(from) !== 'live') return 0;
      const count = await rewrite.move(tx, from, moves);
      if (count > 0 && !target.isLive && !(await packs.goLive(tx, target.no, target.length, target.plainBytes)))
        throw givenUp();
      return count;
    });
    if (moved > 0) target.isLive = true;
    return moved;
  }
}

/** What still goes into the pack. */
class Room {
  private bytes = LIMITS.packBodyBytes;
  private chunks = LIMITS.packChunks;
  private listBytes = LIMITS.packListBytes;

  take(block: ReadBlock): boolean {
    const cutBytes = block.cut.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const bytes = block.whole?.length ?? cutBytes;
    const isList = block.keys.some(({ height }) => height > 0);
    // Of a whole block of lists the plain bytes are not at hand; they shrink to no less than a fourth.
    const listBytes = !isList ? 0 : block.whole === null ? cutBytes : 4 * block.whole.length;
    this.chunks -= block.keys.length;
    this.bytes -= bytes;
    this.listBytes -= listBytes;
    return this.bytes >= BLOCK_ROOM && this.chunks >= 0 && this.listBytes >= 0;
  }
}

async function* flush(builder: BlockBuilder): AsyncGenerator<Buffer, void, undefined> {
  if (!builder.isEmpty) yield await encodeBlockAsync(builder.take(), { level: LEVEL });
}

function givenUp(): DomainError {
  return new DomainError(
    'unavailable',
    'Rewriting took so long that its new pack was given up: the next pass repeats it.',
  );
}
