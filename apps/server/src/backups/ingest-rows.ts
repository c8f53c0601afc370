import { Injectable } from '@nestjs/common';
import { type ChunkKey, decodeList, encodeKeys, keyString, type ListChild } from '#engine';
import { slices, type Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import type { ChunkPlace, NewChunk, StoredChunk } from './chunk-rows';
import { ChunksRepository, type Holdings, type InsertedChunk, type ListRef } from './chunks.repository';
import type { IngestPlan } from './ingest-plan';
import { wrongSize } from './ingest-spool';
import type { Upload, UploadedBlock, UploadedList } from './ingest-upload';
import { PacksRepository } from './packs.repository';
import type { RunGrant } from './run-grant';
import { RunUploadsRepository } from './run-uploads.repository';

/** The catalog moved on since the plan was made (a pack died, a chunk was swept): plan again. Nothing was written. */
export class StalePlan extends Error {}

/** A pack that is in storage, with its row still `uploading`. */
export interface StoredPack {
  readonly no: number;
  readonly length: number;
  /** Of all chunks in it. */
  readonly plainBytes: number;
  readonly offsets: ReadonlyMap<UploadedBlock, number>;
}

export interface IngestResult {
  /** Names (`keyString`) of the chunks that are new to the domain. */
  readonly newNames: ReadonlySet<string>;
  readonly newBytes: number;
  /** What the domain has more now: the shares of new chunks. */
  readonly addedBytes: number;
  readonly written: readonly WrittenChunk[];
}

/** A row that was inserted. */
interface WrittenChunk {
  readonly name: string;
  readonly height: number;
  readonly no: number;
  readonly size: number;
}

interface NewRow extends NewChunk {
  readonly name: string;
}

/** Lists whose children are looked up together. */
const LISTS_PER_SLICE = 32;

/** What an upload reads from and writes to the catalog. */
@Injectable()
export class IngestRows {
  constructor(
    private readonly chunks: ChunksRepository,
    private readonly packs: PacksRepository,
    private readonly uploads: RunUploadsRepository,
  ) {}

  findHoldings(sql: Sql, domainNo: number, upload: Upload): Promise<Holdings> {
    return this.chunks.findHoldings(sql, domainNo, [...upload.chunks.values()]);
  }

  /**
   * A list may name only what the domain owns: otherwise whoever knows a hash could have somebody else's bytes served to
   * him through a list. Chunks that others hold and chunks that nobody holds are refused in the same words.
   */
  async assertOwned(sql: Sql, domainNo: number, children: readonly ListChild[]): Promise<void> {
    const found = await this.chunks.findChunks(sql, domainNo, children);
    checkChildren(children, found);
  }

  /**
   * Writes what the plan says, in the transaction `tx` in which the run was found running. Chunks that the domain got
   * meanwhile are left as they are. The pack goes live, or dies when no row came to point at it.
   */
  async write(
    tx: Sql,
    run: RunGrant,
    work: { upload: Upload; plan: IngestPlan; pack: StoredPack | null },
  ): Promise<IngestResult> {
    const { upload, plan, pack } = work;
    const shared = await this.holdShared(tx, plan);
    if (pack !== null) await this.assertStillWanted(tx, plan);
    await this.reviveOwned(tx, run.domainNo, plan);
    const rows = [...shared, ...packedRows(plan, pack)];
    const inserted = await this.chunks.insertChunks(tx, run.domainNo, rows);
    const repointed = await this.heal(tx, run.domainNo, rows, inserted);
    await this.writeListRefs(tx, run.domainNo, upload.lists, inserted);
    const written = rows.flatMap((row) => {
      const there = inserted.get(row.name);
      return there?.isNew === true ? [{ ...row, no: there.no }] : [];
    });
    const healed = [...inserted.values()].filter((row) => row.isDamaged);
    await this.uploads.note(
      tx,
      run,
      [...written, ...healed].map(({ no }) => no),
    );
    if (pack !== null) {
      const isUsed = written.some(({ packNo }) => packNo === pack.no) || repointed.has(pack.no);
      await this.endUpload(tx, pack, isUsed);
    }
    return {
      newNames: new Set(written.map(({ name }) => name)),
      newBytes: written.reduce((sum, { chunkLength }) => sum + chunkLength, 0),
      addedBytes: written.reduce((sum, { chunkLength, storedLength = chunkLength }) => sum + storedLength, 0),
      written: written.map(({ name, height, no, size }) => ({ name, height, no, size })),
    };
  }

  /** To be called when the transaction of {@link IngestRows.write} is committed: the run's batches refer to these next. */
  remember(run: RunGrant, written: readonly WrittenChunk[]): void {
    this.chunks.remember(run.domainNo, written);
  }

  /** What the run's page tells: counted once, however often the same upload is sent. */
  async countUpload(
    tx: Sql,
    run: RunGrant,
    counts: { newChunks: number; newBytes: number; storedBytes: number },
  ): Promise<void> {
    await tx.run(
      `update runs set new_chunks = new_chunks + ?, new_bytes = new_bytes + ?, stored_bytes = stored_bytes + ?
       where task_no = ? and number = ?`,
      [counts.newChunks, counts.newBytes, counts.storedBytes, run.taskNo, run.runNumber],
    );
  }

  /** Keeps the packs that shared chunks lie in from dying, and only then looks where those lie. */
  private async holdShared(tx: Sql, plan: IngestPlan): Promise<NewRow[]> {
    const shared = [...plan.shared];
    const live = await this.packs.lockLiveForShare(
      tx,
      shared.map(([, { place }]) => place.packNo),
    );
    const places = await this.chunks.findElsewhere(
      tx,
      shared.map(([, { chunk }]) => chunk),
    );
    return shared.map(([name, { chunk }]) => {
      const place = places.get(name);
      if (place === undefined || !live.has(place.packNo)) throw new StalePlan();
      return { ...chunk, ...placeOf(place) };
    });
  }

  /** Another domain may have stored the very same chunks while our pack went to storage: then its bytes are one too many. */
  private async assertStillWanted(tx: Sql, plan: IngestPlan): Promise<void> {
    const packed = [...plan.packed.values()].map(({ chunk }) => chunk);
    if (await this.chunks.areAllElsewhere(tx, packed)) throw new StalePlan();
  }

  private async reviveOwned(tx: Sql, domainNo: number, plan: IngestPlan): Promise<void> {
    const owned = [...plan.owned.values()];
    await this.chunks.reviveChunks(
      tx,
      owned.map(({ no }) => no),
    );
    const now = await this.chunks.findChunks(tx, domainNo, owned);
    for (const name of plan.owned.keys()) {
      const chunk = now.get(name);
      if (chunk === undefined || chunk.isDamaged) throw new StalePlan();
    }
  }

  /** Points damaged rows at the bytes that just came. Returns the packs that healed rows lie in now. */
  private async heal(
    tx: Sql,
    domainNo: number,
    rows: readonly NewRow[],
    inserted: ReadonlyMap<string, InsertedChunk>,
  ): Promise<Set<number>> {
    const damaged = rows.flatMap((row) => {
      const there = inserted.get(row.name);
      return there?.isDamaged === true ? [{ ...row, no: there.no }] : [];
    });
    if (damaged.length === 0) return new Set();
    await this.chunks.repointChunks(tx, damaged);
    const healed = await this.chunks.findChunks(tx, domainNo, damaged);
    return new Set([...healed.values()].map(({ packNo }) => packNo));
  }

  /** In the same transaction as the lists' rows: every list's children are owned, at every moment. */
  private async writeListRefs(
    tx: Sql,
    domainNo: number,
    lists: readonly UploadedList[],
    inserted: ReadonlyMap<string, InsertedChunk>,
  ): Promise<void> {
    const written = lists.flatMap(({ key, bytes }) => {
      const row = inserted.get(keyString(key));
      return row !== undefined && (row.isNew || row.isDamaged) ? [{ listNo: row.no, key, bytes }] : [];
    });
    for await (const slice of slices(written, LISTS_PER_SLICE)) {
      const decoded = slice.map(({ listNo, key, bytes }) => ({
        listNo,
        children: decodeList(bytes, key.height, 'list'),
      }));
      const children = decoded.flatMap((list) => list.children);
      const found = await this.findRevived(tx, domainNo, children);
      checkChildren(children, found);
      const refs: ListRef[] = decoded.flatMap((list) =>
        list.children.flatMap((child) => {
          const row = found.get(keyString(child));
          return row === undefined ? [] : [{ listNo: list.listNo, childNo: row.no }];
        }),
      );
      await this.chunks.insertListRefs(tx, refs);
    }
  }

  private async findRevived(tx: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<Map<string, StoredChunk>> {
    const found = await this.chunks.findChunks(tx, domainNo, keys);
    const rows = [...found.values()];
    // Lists always: what they name may be condemned when they are not.
    const doubtful = rows.filter(({ condemnedAt, height }) => condemnedAt !== null || height > 0);
    if (doubtful.length === 0) return found;
    await this.chunks.reviveChunks(
      tx,
      doubtful.map(({ no }) => no),
    );
    return this.chunks.findChunks(tx, domainNo, keys);
  }

  private async endUpload(tx: Sql, pack: StoredPack, isUsed: boolean): Promise<void> {
    const isEnded = isUsed
      ? await this.packs.goLive(tx, pack.no, pack.length, pack.plainBytes)
      : await this.packs.markDead(tx, pack.no);
    if (!isEnded && isUsed) {
      throw new DomainError('unavailable', 'The upload took so long that its pack was given up: send it again.');
    }
  }
}

function packedRows(plan: IngestPlan, pack: StoredPack | null): NewRow[] {
  return [...plan.packed.values()].map(({ chunk, block }) => {
    const blockOffset = pack?.offsets.get(block);
    if (pack === null || blockOffset === undefined) throw new Error('a block of the plan is not in the pack');
    return { ...chunk, packNo: pack.no, blockOffset, blockLength: block.header.totalLength };
  });
}

function placeOf(place: ChunkPlace): ChunkPlace {
  const { packNo, blockOffset, blockLength, chunkOffset, chunkLength } = place;
  return { packNo, blockOffset, blockLength, chunkOffset, chunkLength };
}

function checkChildren(children: readonly ListChild[], found: ReadonlyMap<string, StoredChunk>): void {
  const missing = new Map<string, ChunkKey>();
  for (const child of children) {
    const row = found.get(keyString(child));
    if (row === undefined || row.isDamaged) missing.set(keyString(child), { id: child.id, height: child.height });
    else if (row.size !== child.size) throw wrongSize(child, row.size);
  }
  if (missing.size === 0) return;
  throw new DomainError(
    'missing-chunks',
    `A list names ${missing.size} chunks that this domain does not have: nothing was stored. Send them first.`,
    { details: { keysBase64: encodeKeys([...missing.values()]).toString('base64') } },
  );
}
