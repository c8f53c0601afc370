import { Injectable } from '@nestjs/common';
import type { PackRow } from '../database/entities/chunk.entities';
import { slices, type Column, type Sql } from '../database/sql';
import { lockChunks } from './chunk-locks';
import { type ChunkPlace, nosInput, PLACE_COLUMNS, placeValues, type StoredChunk } from './chunk-rows';

/** A chunk's row as far as it tells what of its pack is in use. */
export interface UsedPlace {
  readonly packNo: number;
  readonly no: number;
  readonly blockOffset: number;
  readonly blockLength: number;
  readonly chunkOffset: number;
  readonly chunkLength: number;
  readonly isDamaged: number;
  readonly isCondemned: number;
}

export interface LivePack {
  readonly no: number;
  readonly key: string;
  readonly taskNo: number;
  readonly length: number;
  /** Of all chunks that were put into it; null: not known. */
  readonly plainBytes: number | null;
}

type PlacedRow = Omit<StoredChunk, 'condemnedAt' | 'isDamaged'>;

/** What rewriting packs reads, and how rows move from one to another. */
@Injectable()
export class RewriteRepository {
  /** Live since before `before`, in order of their numbers; none that could not be read, until scrub has read it. */
  livePacks(sql: Sql, before: number): Promise<LivePack[]> {
    return sql.all<LivePack>(
      `select no, key, task_no as "taskNo", length, plain_bytes as "plainBytes" from packs
       where state = 'live' and changed_at < ? and (fault is null or coalesce(scrubbed_at, 1) <> 0) order by no`,
      [before],
    );
  }

  /** Chunk rows in order of packs. */
  usedPlaces(sql: Sql, after: { packNo: number; no: number }, limit: number): Promise<UsedPlace[]> {
    return sql.all<UsedPlace>(
      `select pack_no as "packNo", no, block_offset as "blockOffset", block_length as "blockLength",
         chunk_offset as "chunkOffset", chunk_length as "chunkLength", damaged as "isDamaged",
         case when condemned_at is null then 0 else 1 end as "isCondemned"
       from chunks where (pack_no, no) > (?, ?) order by pack_no, no limit ?`,
      [after.packNo, after.no, limit],
    );
  }

  /** Sound chunks in a pack, of all domains, by number. */
  chunksIn(sql: Sql, packNo: number, after: number, limit: number): Promise<PlacedRow[]> {
    return sql.all<PlacedRow>(
      `select no, id, height, domain_no as "domainNo", size, pack_no as "packNo", block_offset as "blockOffset",
         block_length as "blockLength", chunk_offset as "chunkOffset", chunk_length as "chunkLength"
       from chunks where pack_no = ? and no > ? and damaged = 0 order by pack_no, no limit ?`,
      [packNo, after, limit],
    );
  }

  /** Holds the packs' rows until the transaction ends, in ascending order; returns their states. */
  async hold(tx: Sql, packNos: readonly number[]): Promise<Map<number, PackRow['state']>> {
    const rows = await tx.allWith<{ no: number; state: PackRow['state'] }>(
      nosInput([...packNos].sort((a, b) => a - b)),
      `select p.no, p.state from input join packs p on p.no = input.no order by p.no ${tx.forUpdate('p')}`,
    );
    return new Map(rows.map(({ no, state }) => [no, state]));
  }

  /**
   * Points chunks that lie in `fromPack` still, and sound, at their new places; returns how many. Both packs must be held: who
   * relies on the old place (an upload that shares it, a reader that found it bad) holds its pack too. Both are marked: see {@link twiceStored}.
   */
  async move(tx: Sql, fromPack: number, moves: ReadonlyMap<number, ChunkPlace>): Promise<number> {
    const locked = await lockChunks(tx, moves.keys(), 'c.pack_no = ? and c.damaged = 0', [fromPack]);
    const columns: Column[] = [{ name: 'no', type: 'int' }, ...PLACE_COLUMNS];
    for await (const slice of slices(locked)) {
      const rows = slice.flatMap((no) => {
        const place = moves.get(no);
        return place === undefined ? [] : [[no, ...placeValues(place)]];
      });
      await tx.runWith(
        { columns, rows },
        `update chunks set pack_no = input.pack_no, block_offset = input.block_offset, block_length = input.block_length,
           chunk_offset = input.chunk_offset, chunk_length = input.chunk_length
         from input where chunks.no = input.no`,
      );
    }
    if (locked.length > 0)
      await this.noteMove(tx, [fromPack, ...new Set([...moves.values()].map(({ packNo }) => packNo))]);
    return locked.length;
  }

  /** Bytes that rewriting wrote since `since` and that lie in old packs as well, which wait to be deleted; at most what these have. */
  async twiceStored(sql: Sql, since: number): Promise<number> {
    const row = await sql.get<{ newBytes: number | null; oldBytes: number | null }>(
      `select sum(case when state = 'live' and moved_at > ? then length else 0 end) as "newBytes",
         sum(case when state = 'dead' then length else 0 end) as "oldBytes"
       from packs where moved_at is not null`,
      [since],
    );
    return Math.min(row?.newBytes ?? 0, row?.oldBytes ?? 0);
  }

  private async noteMove(tx: Sql, packNos: readonly number[]): Promise<void> {
    await tx.runWith(nosInput(packNos), 'update packs set moved_at = ? where no in (select no from input)', [
      await tx.now(),
    ]);
  }
}
