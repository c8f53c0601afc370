import { createHash } from 'node:crypto';
import { explaining } from '../../database/plans.testing';
import { type Column, slices, type Sql } from '../../database/sql';
import { eachDatabase, type TestDatabase } from '../../database/testing';
import { PLACE_COLUMNS } from '../chunk-rows';
import { FoundChunksRepository } from './found-chunks.repository';
import { FoundCopiesRepository } from './found-copies.repository';

const PACKS = 40;
const CHUNKS_PER_PACK = 500;
const ID: Column = { name: 'id', type: 'bytes' };
const int = (name: string): Column => ({ name, type: 'int' });

const idOf = (no: number): Buffer => createHash('sha256').update(String(no)).digest();

eachDatabase('Copies of chunks in found packs', (open, dialect) => {
  let test: TestDatabase;
  const copies = new FoundCopiesRepository();
  const found = new FoundChunksRepository();
  beforeAll(async () => {
    test = await open();
    await test.database.write('catalog.adopt', async (tx) => {
      for (let pack = 1; pack <= PACKS + 1; pack += 1)
        await tx.run(
          `insert into packs (key, state, task_no, run_number, length, created_at, changed_at) values (?, 'live', 0, 0, 1, 0, 0)`,
          [`packs/${String(pack)}`],
        );
      // 8 to a block; each hundredth is damaged.
      const rows = Array.from({ length: PACKS * CHUNKS_PER_PACK }, (_, at) => {
        const own = at % CHUNKS_PER_PACK;
        const place = [1 + Math.floor(at / CHUNKS_PER_PACK), 16 + Math.floor(own / 8) * 1_000, 1_000, own % 8, 1];
        return [idOf(at), 0, 1, 1, at % 100 === 0 ? 1 : 0, ...place];
      });
      const columns = [ID, int('height'), int('domain_no'), int('size'), int('damaged'), ...PLACE_COLUMNS];
      for await (const slice of slices(rows)) await tx.insertMany('chunks', columns, slice);
    });
    // Every tenth chunk, and as many that are new.
    const chunks = Array.from({ length: (PACKS * CHUNKS_PER_PACK) / 5 }, (_, at) => {
      const place = { packNo: PACKS + 1, blockOffset: 16, blockLength: 9, chunkOffset: at, chunkLength: 1 };
      return { id: idOf(at * 10), height: 0, ...place, storedLength: 1 };
    });
    await test.database.write('catalog.adopt', (tx) => found.saveChunks(tx, chunks));
    if (dialect === 'postgres') await test.database.write('catalog.adopt', (tx) => tx.run('analyze'));
  });

  /** Statements look single rows up, and read no table of the catalog to find them. */
  async function assertIndexed(tables: RegExp, work: (sql: Sql) => Promise<unknown>): Promise<void> {
    const plans: string[] = [];
    const rolledBack = new Error('rolled back');
    await expect(
      test.database.write('catalog.adopt', async (tx) => {
        await work(explaining(tx, plans));
        throw rolledBack;
      }),
    ).rejects.toBe(rolledBack);
    expect(plans).not.toEqual([]);
    for (const plan of plans) expect(plan).not.toMatch(tables);
  }

  const AT_ONCE = { after: { blockOffset: 0, no: 0 }, limit: 10_000 };

  it('are looked for from what was found', async () => {
    // PostgreSQL may read the table when that costs less.
    await assertIndexed(/SCAN (c|p|chunks|packs)\b/, (sql) => copies.packs(sql, 7));
    const packs = new Map<number, string>();
    for (let byte = 0; byte <= 0xff; byte += 1)
      for (const { no, key } of await test.database.read((sql) => copies.packs(sql, byte))) packs.set(no, key);
    const sorted = [...packs].sort(([a], [b]) => a - b).map(([no, key]) => ({ no, key }));
    expect(sorted).toEqual(Array.from({ length: PACKS }, (_, at) => ({ no: at + 1, key: `packs/${String(at + 1)}` })));
  });

  it('are in packs that are told with one reading of what was found', async () => {
    await assertIndexed(/SubPlan|LIST SUBQUERY/, (sql) => found.foundPacks(sql));
    expect(await test.database.read((sql) => found.foundPacks(sql))).toEqual([{ no: PACKS + 1, key: 'packs/41' }]);
  });

  it('are read pack by pack, in pages that end anywhere', async () => {
    await assertIndexed(/Seq Scan on chunks|SCAN (c|chunks|f)\b/, (sql) => copies.chunksOf(sql, 7, AT_ONCE));
    const whole = await test.database.read((sql) => copies.chunksOf(sql, 7, AT_ONCE));
    // Neither those that are damaged, nor those that were not found.
    expect(whole).toHaveLength(CHUNKS_PER_PACK / 10 - CHUNKS_PER_PACK / 100);
    const paged = [];
    for (let after = { blockOffset: 0, no: 0 }, isOver = false; !isOver;) {
      const page = { after, limit: 7 };
      const rows = await test.database.read((sql) => copies.chunksOf(sql, 7, page));
      paged.push(...rows);
      after = rows.at(-1) ?? after;
      isOver = rows.length < page.limit;
    }
    expect(paged).toEqual(whole);
  });

  it('are found for damaged chunks without a look at sound ones', async () => {
    const page = { afterNo: 0, limit: 100 };
    await assertIndexed(/Seq Scan on chunks|SCAN (c|chunks|f)$/m, (sql) => copies.damaged(sql, page));
    const damaged = await test.database.read((sql) => copies.damaged(sql, page));
    expect(damaged.map(({ no }) => no)).toEqual(Array.from({ length: 100 }, (_, at) => 1 + at * 100));
  });

  it('are looked up, forgotten and pointed at by their keys', async () => {
    const chunks = await test.database.read((sql) => copies.damaged(sql, { afterNo: 0, limit: 50 }));
    const catalog = /Seq Scan on (chunks|found_chunks)|SCAN (c|chunks|f|found_chunks)\b/;
    await assertIndexed(catalog, (sql) => found.places(sql, chunks));
    await assertIndexed(catalog, (tx) =>
      found.forget(
        tx,
        chunks.map((chunk) => ({ ...chunk, packNo: PACKS + 1 })),
      ),
    );
    await assertIndexed(catalog, (tx) => found.point(tx, chunks));
    await assertIndexed(catalog, (tx) => copies.markBlock(tx, { packNo: 7, offset: 16 }));
    await assertIndexed(catalog, (tx) =>
      copies.markRows(
        tx,
        chunks.map(({ no }) => no),
      ),
    );
  });
});
