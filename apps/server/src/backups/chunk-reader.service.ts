import { Inject, Injectable } from '@nestjs/common';
import { LIMITS, type Verifier } from '#common';
import {
  BlockBuilder,
  type ChunkKey,
  CorruptError,
  decodeKeys,
  encodeBlockAsync,
  freeMemory,
  ID_BYTES,
  keyString,
  type PlainChunk,
  UnsupportedError,
} from '#engine';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { type Storage, STORAGE } from '../storage/storage';
import { type BlockAnswer, type BlockRequest, type ChunkInBlock, isAt, openBlock } from './chunk-blocks';
import { type BrokenBlock, ChunkDamage } from './chunk-damage';
import { ChunkRanks } from './chunk-ranks';
import type { PlacedChunk } from './chunk-rows';
import { ChunksRepository } from './chunks.repository';
import { PacksRepository } from './packs.repository';
import { storedBytes } from './stored-bytes';

const KEY_BYTES = 1 + ID_BYTES;
/** Keys looked up at a time while ranks are asked for. */
const RANK_SLICE = 8_192;
/** Fast: a block that is cut is compressed while somebody waits for it. */
const CUT_LEVEL = 1;

/** Who reads. */
export interface ChunkAsker {
  readonly domainNo: number;
  /** An agent's client: blocks of packs that it sent itself may leave whole when they are mostly wanted. */
  readonly clientNo?: number;
}

/** A reading: `verifier` is who verifies blocks that leave whole. */
interface Reading {
  readonly domainNo: number;
  readonly verifier: Verifier;
}

interface LocatedBlock extends BlockRequest {
  /** All of its pack was sent by whoever reads. */
  readonly isOwn: boolean;
}

/** What became of one block. `block`: bytes to send; `broken`: bad or gone, as far as one look can tell. */
type Outcome =
  | { readonly kind: 'read'; readonly answer: BlockAnswer }
  | { readonly kind: 'broken'; readonly bytes: Buffer | null }
  | { readonly kind: 'unknown-format' };

/** How chunks are read, by right to the domain: nothing of another domain leaves, not even beside one's own chunks. */
@Injectable()
export class ChunkReaderService {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly chunks: ChunksRepository,
    private readonly packs: PacksRepository,
    private readonly damage: ChunkDamage,
  ) {}

  /**
   * Storage order of chunks as dense ranks, one per key of the body (encodeKeys form, pieces of any length, at most
   * LIMITS.rankKeys keys); {@link NO_RANK} for what the domain does not have, or has only damaged. Equal keys have equal ranks.
   */
  async ranks(domainNo: number, body: AsyncIterable<Uint8Array>): Promise<Uint32Array> {
    const ranks = new ChunkRanks();
    for await (const keys of keySlices(body)) {
      const places = await this.database.read((sql) => this.chunks.findPlaces(sql, domainNo, keys));
      for (const place of places) ranks.add(place);
    }
    return ranks.finish();
  }

  /**
   * The chunks as blocks, in storage order, each with memory of its own that is the caller's. Those that the domain does not
   * have, or whose stored bytes are bad, are absent; the latter are marked damaged. Throws `too-large` beyond LIMITS.readKeys or readPlainBytes, and
   * `storage-unavailable` when it could not be told whether the bytes are there, also after blocks were given. With the asker
   * as `verifier` a block that leaves whole may have a bad payload, and is not marked; but only where one domain owns all that is
   * stored: elsewhere storage that gives wrong bytes could give somebody else's (durability.md, invariant 9). With the asker as `verifier` a
   * block may also hold more than was asked for, wherever it was verified: what the domain has at that very place and the asking
   * client sent itself (docs/adr/0009).
   */
  async *readChunks(
    asker: ChunkAsker,
    keys: readonly ChunkKey[],
    verifier: Verifier = 'server',
  ): AsyncGenerator<Buffer, void, undefined> {
    if (keys.length > LIMITS.readKeys) throw tooMuch(`more than ${LIMITS.readKeys} chunks`);
    // Who leaves the verifying to the server wants to know about these chunks, and nothing else.
    const { domainNo } = asker;
    const requests = await this.locate(verifier === 'asker' ? asker : { domainNo }, keys);
    const plainBytes = requests.flatMap(({ chunks }) => chunks).reduce((sum, { chunkLength }) => sum + chunkLength, 0);
    if (plainBytes > LIMITS.readPlainBytes)
      throw tooMuch(`chunks of ${plainBytes} bytes, more than ${LIMITS.readPlainBytes}`);
    const cutter = new Cutter();
    const isLeftToAsker = verifier === 'asker' && (await this.database.read((sql) => this.chunks.isOneDomain(sql)));
    const doubtful = yield* this.send(requests, { domainNo, verifier: isLeftToAsker ? 'asker' : 'server' }, cutter);
    // A second look: meanwhile their pack may have been rewritten, or the first reading was at fault.
    const again = await this.locate(
      { domainNo },
      doubtful.flatMap(({ chunks }) => chunks),
    );
    const broken = yield* this.send(again, { domainNo, verifier: 'server' }, cutter);
    if (!cutter.isEmpty) yield await cutter.encode();
    await this.damage.mark(broken);
  }

  /** Where the domain's undamaged chunks among these lie: block by block, in storage order. */
  private async locate({ domainNo, clientNo }: ChunkAsker, keys: readonly ChunkKey[]): Promise<LocatedBlock[]> {
    if (keys.length === 0) return [];
    const { found, packs, own } = await this.database.read(async (sql) => {
      const chunks = await this.chunks.findPlaced(sql, domainNo, keys);
      const packNos = chunks.map(({ packNo }) => packNo);
      return {
        found: chunks,
        packs: await this.packs.findPacks(sql, packNos),
        own: clientNo === undefined ? new Set<number>() : await this.packs.findSentBy(sql, clientNo, packNos),
      };
    });
    const inOrder = found.filter(({ isDamaged }) => !isDamaged).sort(compareByPlace);
    return sliceByBlock(inOrder).map(([first, ...others]): LocatedBlock => {
      const pack = packs.get(first.packNo);
      // A dead pack is still there for those who looked it up before it died.
      const packKey = pack === undefined || pack.state === 'deleted' ? null : pack.key;
      const { packNo, blockOffset: offset, blockLength: length } = first;
      return { packNo, packKey, offset, length, chunks: [first, ...others], isOwn: own.has(packNo) };
    });
  }

  /** Sends what can be read; returns what is broken. */
  private async *send(
    requests: readonly LocatedBlock[],
    reading: Reading,
    cutter: Cutter,
  ): AsyncGenerator<Buffer, BrokenBlock[], undefined> {
    const broken: BrokenBlock[] = [];
    for (const request of requests) {
      const { packNo, offset } = request;
      const outcome = await this.readBlock(request, reading);
      if (outcome.kind === 'broken') broken.push({ packNo, offset, bytes: outcome.bytes, chunks: request.chunks });
      if (outcome.kind !== 'read') continue;
      const { whole, cut, astray } = outcome.answer;
      if (whole !== null) yield whole;
      for (const chunk of cut) {
        if (cutter.tryAdd(chunk)) continue;
        yield await cutter.encode();
        cutter.tryAdd(chunk);
      }
      cutter.endBlock(cut);
      if (astray.length > 0) broken.push({ packNo, offset, bytes: null, chunks: astray });
    }
    return broken;
  }

  /** Does the domain have all of these at that very place, neither damaged nor given up? */
  private async ownsThere(
    domainNo: number,
    { packNo, offset }: BlockRequest,
    chunks: readonly ChunkInBlock[],
  ): Promise<boolean> {
    const found = await this.database.read((sql) => this.chunks.findChunks(sql, domainNo, chunks));
    return chunks.every((chunk) => {
      const row = found.get(keyString(chunk));
      if (row === undefined || row.isDamaged || row.condemnedAt !== null) return false;
      if (row.packNo !== packNo || row.blockOffset !== offset) return false;
      return isAt(row, chunk, chunk.chunkOffset);
    });
  }

  private async readBlock(request: LocatedBlock, { domainNo, verifier }: Reading): Promise<Outcome> {
    const { packKey, offset, length } = request;
    if (packKey === null) return { kind: 'broken', bytes: null };
    const bytes = await storedBytes(this.storage, packKey, { offset, length });
    if (bytes === null) return { kind: 'broken', bytes: null };
    try {
      const place = `${packKey}, block at byte ${offset}`;
      const mayLeaveToo = request.isOwn
        ? (others: readonly ChunkInBlock[]) => this.ownsThere(domainNo, request, others)
        : null;
      return { kind: 'read', answer: await openBlock(bytes, request, place, { verifier, mayLeaveToo }) };
    } catch (error) {
      if (error instanceof CorruptError) return { kind: 'broken', bytes };
      // Written by a newer server, or damaged in the very byte that says so: absent, but not to be given up.
      if (error instanceof UnsupportedError) return { kind: 'unknown-format' };
      throw error;
    }
  }
}

function compareByPlace(a: PlacedChunk, b: PlacedChunk): number {
  return a.packNo - b.packNo || a.blockOffset - b.blockOffset || a.chunkOffset - b.chunkOffset;
}

/** Chunks of one block stand beside each other. */
function sliceByBlock(inOrder: readonly PlacedChunk[]): [PlacedChunk, ...PlacedChunk[]][] {
  const blocks: [PlacedChunk, ...PlacedChunk[]][] = [];
  for (const chunk of inOrder) {
    const last = blocks.at(-1);
    if (last?.[0].packNo === chunk.packNo && last[0].blockOffset === chunk.blockOffset) last.push(chunk);
    else blocks.push([chunk]);
  }
  return blocks;
}

/** Frames a body of keys into slices, whatever pieces it comes in. */
async function* keySlices(body: AsyncIterable<Uint8Array>): AsyncGenerator<ChunkKey[], void, undefined> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let count = 0;
  const take = function* (isEnd: boolean): Generator<ChunkKey[], void, undefined> {
    const bytes = Buffer.concat(held);
    const whole = isEnd ? bytes.length : bytes.length - (bytes.length % KEY_BYTES);
    for (let start = 0; start < whole; start += RANK_SLICE * KEY_BYTES) {
      yield parseKeys(bytes.subarray(start, Math.min(whole, start + RANK_SLICE * KEY_BYTES)));
    }
    held = [bytes.subarray(whole)];
    heldBytes = bytes.length - whole;
  };
  for await (const piece of body) {
    count += piece.length;
    if (count > LIMITS.rankKeys * KEY_BYTES) throw tooMuch(`more than ${LIMITS.rankKeys} keys`);
    held.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    heldBytes += piece.length;
    if (heldBytes >= RANK_SLICE * KEY_BYTES) yield* take(false);
  }
  yield* take(true);
}

function parseKeys(bytes: Buffer): ChunkKey[] {
  try {
    return decodeKeys(bytes, RANK_SLICE);
  } catch (error) {
    if (error instanceof CorruptError) throw new DomainError('invalid', error.message, { cause: error });
    throw error;
  }
}

/** Joins what was cut out of blocks to blocks of its own. */
class Cutter {
  private readonly builder = new BlockBuilder();
  /** Memory of blocks of which all chunks were added. */
  private spent: Buffer[] = [];

  get isEmpty(): boolean {
    return this.builder.isEmpty;
  }

  tryAdd(chunk: PlainChunk): boolean {
    return this.builder.tryAdd(chunk);
  }

  /** All that was cut out of a block was added: the memory that they share is given back when they were encoded. */
  endBlock([first]: readonly PlainChunk[]): void {
    if (first !== undefined) this.spent.push(first.bytes);
  }

  async encode(): Promise<Buffer> {
    const block = await encodeBlockAsync(this.builder.take(), { level: CUT_LEVEL });
    for (const memory of this.spent.splice(0)) freeMemory(memory);
    return block;
  }
}

function tooMuch(what: string): DomainError {
  return new DomainError('too-large', `The request asks for ${what} at once: ask in several`);
}
