import { Injectable } from '@nestjs/common';
import { type StoredChunk, storedChunk } from '../backups/chunk-rows';
import type { ChunkRow, PackRow } from '../database/entities/chunk.entities';
import type { Column, Sql } from '../database/sql';

/** A pack as scrub looks at it. */
export interface ScrubPack {
  readonly no: number;
  readonly key: string;
  /** Bytes that the object has by its row. */
  readonly length: number;
  /** When its bytes were last known to be good: read back, or else written, ms. */
  readonly knownGoodAt: number;
}

const KEYS: readonly Column[] = [{ name: 'key', type: 'text' }];
const SELECT_PACK = `select p.no, p.key, p.length, coalesce(p.scrubbed_at, p.created_at) as "knownGoodAt" from packs p`;

/** All SQL of scrub. */
@Injectable()
export class ScrubRepository {
  /** What the rows say about objects, by key; absent: there is no row. */
  async findByKeys(
    sql: Sql,
    keys: readonly string[],
  ): Promise<Map<string, Pick<PackRow, 'no' | 'key' | 'state' | 'length'>>> {
    const rows = await sql.allWith<Pick<PackRow, 'no' | 'key' | 'state' | 'length'>>(
      { columns: KEYS, rows: keys.map((key) => [key]) },
      'select p.no, p.key, p.state, p.length from input cross join packs p where p.key = input.key',
    );
    return new Map(rows.map((row) => [row.key, row]));
  }

  /** Live packs by number, as far as they went live before `before`. */
  livePacks(sql: Sql, page: { afterNo: number; before: number; limit: number }): Promise<ScrubPack[]> {
    return sql.all<ScrubPack>(
      `${SELECT_PACK} where p.state = 'live' and p.no > ? and p.changed_at < ? order by p.no limit ?`,
      [page.afterNo, page.before, page.limit],
    );
  }

  /** The live packs whose bytes were last known to be good before `before`, the longest unread first. */
  longestUnread(sql: Sql, page: { before: number; limit: number }): Promise<ScrubPack[]> {
    return sql.all<ScrubPack>(
      `${SELECT_PACK} where p.state = 'live' and coalesce(p.scrubbed_at, p.created_at) < ?
       order by coalesce(p.scrubbed_at, p.created_at), p.no limit ?`,
      [page.before, page.limit],
    );
  }

  async liveTotals(sql: Sql): Promise<{ packs: number; bytes: number }> {
    const row = await sql.get<{ packs: number; bytes: number | null }>(
      `select count(*) as packs, sum(length) as bytes from packs where state = 'live'`,
    );
    return { packs: row?.packs ?? 0, bytes: row?.bytes ?? 0 };
  }

  /** Undefined when the pack is not live any more. */
  findLive(sql: Sql, packNo: number): Promise<ScrubPack | undefined> {
    return sql.get<ScrubPack>(`${SELECT_PACK} where p.state = 'live' and p.no = ?`, [packNo]);
  }

  /** Chunks of all domains that lie in the pack, by number. */
  async chunksOf(sql: Sql, packNo: number, page: { afterNo: number; limit: number }): Promise<StoredChunk[]> {
    const rows = await sql.all<ChunkRow>(
      `select no, id, height, domain_no, size, pack_no, block_offset, block_length, chunk_offset, chunk_length,
         condemned_at, damaged
       from chunks where pack_no = ? and no > ? order by no limit ?`,
      [packNo, page.afterNo, page.limit],
    );
    return rows.map((row) => storedChunk(row, row));
  }

  /** `readAt` null: it could not be read, and is due as before. */
  async noteReading(tx: Sql, packNo: number, reading: { readAt: number | null; fault: string | null }): Promise<void> {
    await tx.run(
      `update packs set scrubbed_at = coalesce(cast(? as bigint), scrubbed_at), fault = ? where no = ? and state = 'live'`,
      [reading.readAt, reading.fault, packNo],
    );
  }
}
