import { Injectable } from '@nestjs/common';
import { ID_BYTES } from '#engine';
import type { ChunkRow } from '../../database/entities/chunk.entities';
import type { Sql } from '../../database/sql';
import { updateLocked } from '../chunk-locks';
import { KEYLESS_COLUMNS, type StoredChunk, storedChunk } from '../chunk-rows';

const COLUMNS = `c.id, c.height, ${KEYLESS_COLUMNS}`;

/** Two domains may have the same chunk in different packs. */
const LIES_ELSEWHERE = `exists (select 1 from chunks d
  where d.id = c.id and d.height = c.height and d.pack_no <> c.pack_no and d.damaged = 0)`;

/** Rows of chunks that lie in packs which were found, too. */
@Injectable()
export class FoundCopiesRepository {
  /**
   * Packs in which chunks lie, undamaged as far as rows say, that were found in another pack, too, or found here and have a row of
   * another domain that points elsewhere. Of chunks whose ids begin with this byte: all of them at once take PostgreSQL longer than it gives a statement.
   */
  packs(sql: Sql, firstByte: number): Promise<{ no: number; key: string }[]> {
    return sql.all(
      // `cross join`: what was found is little beside what is there, and both are looked up in its order.
      `select distinct p.no, p.key from found_chunks f cross join chunks c cross join packs p
       where c.id = f.id and c.height = f.height and (c.pack_no <> f.pack_no or ${LIES_ELSEWHERE})
         and c.damaged = 0 and p.no = c.pack_no and f.id between ? and ?`,
      [idOf(firstByte, 0), idOf(firstByte, 0xff)],
    );
  }

  /** Those chunks of one pack, of all domains, by their blocks. */
  async chunksOf(
    sql: Sql,
    packNo: number,
    { after, limit }: { after: { readonly blockOffset: number; readonly no: number }; limit: number },
  ): Promise<StoredChunk[]> {
    const rows = await sql.all<ChunkRow>(
      `select ${COLUMNS} from chunks c
       where c.pack_no = ? and c.damaged = 0 and (c.block_offset, c.no) > (?, ?)
         and exists (select 1 from found_chunks f where f.id = c.id and f.height = c.height
           and (f.pack_no <> c.pack_no or ${LIES_ELSEWHERE}))
       order by c.block_offset, c.no limit ?`,
      [packNo, after.blockOffset, after.no, limit],
    );
    return rows.map((row) => storedChunk(row, row));
  }

  /**
   * Damaged chunks, wherever they are, that were found: agents sent them again after the catalog was saved. By number. Not lists of which
   * a child has gone, or is not known: they must stay as they are.
   */
  async damaged(sql: Sql, { afterNo, limit }: { afterNo: number; limit: number }): Promise<StoredChunk[]> {
    const rows = await sql.all<ChunkRow>(
      `select ${COLUMNS} from chunks c
       where c.damaged = 1 and c.no > ?
         and exists (select 1 from found_chunks f where f.id = c.id and f.height = c.height)
         and (c.height = 0 or (
           exists (select 1 from list_refs r where r.list_no = c.no)
           and not exists (select 1 from list_refs r
             where r.list_no = c.no and not exists (select 1 from chunks d where d.no = r.child_no))))
       order by c.no limit ?`,
      [afterNo, limit],
    );
    return rows.map((row) => storedChunk(row, row));
  }

  /** All rows that point at a block whose bytes are bad. Returns those that were not marked yet. */
  async markBlock(tx: Sql, { packNo, offset }: { packNo: number; offset: number }): Promise<number[]> {
    const rows = await tx.all<{ no: number }>(
      'update chunks set damaged = 1 where pack_no = ? and block_offset = ? and damaged = 0 returning no',
      [packNo, offset],
    );
    return rows.map(({ no }) => no);
  }

  /** Rows that point at something else than their chunks. */
  markRows(tx: Sql, nos: readonly number[]): Promise<void> {
    return updateLocked(tx, nos, 'damaged = 1');
  }
}

function idOf(firstByte: number, others: number): Buffer {
  return Buffer.alloc(ID_BYTES, others).fill(firstByte, 0, 1);
}
