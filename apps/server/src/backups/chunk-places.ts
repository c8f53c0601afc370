import type { ChunkKey } from '#engine';
import { slices, type Sql } from '../database/sql';
import type { RankPlace } from './chunk-ranks';
import { keysInput } from './chunk-rows';

interface PlaceRow {
  readonly n: number;
  readonly pack_no: number;
  readonly block_offset: number;
  readonly chunk_offset: number;
}

/**
 * Where the domain's undamaged chunks lie, in the order of the keys; null for the others. Of millions, and for nothing else: no
 * more is read than that, and nothing is looked for by name.
 */
export async function findPlaces(sql: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<(RankPlace | null)[]> {
  const places = new Array<RankPlace | null>(keys.length).fill(null);
  let start = 0;
  for await (const slice of slices(keys)) {
    const rows = await sql.allWith<PlaceRow>(
      keysInput(slice),
      `select input.n, c.pack_no, c.block_offset, c.chunk_offset from input cross join chunks c
       where c.id = input.id and c.height = input.height and c.domain_no = ? and c.damaged = 0`,
      [domainNo],
    );
    for (const { n, pack_no: packNo, block_offset: blockOffset, chunk_offset: chunkOffset } of rows) {
      places[start + n] = { packNo, blockOffset, chunkOffset };
    }
    start += slice.length;
  }
  return places;
}
