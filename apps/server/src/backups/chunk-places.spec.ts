import type { ChunkKey } from '#engine';
import { keyString } from '#engine';
import { eachDatabase } from '../database/testing';
import { findPlaced } from './chunk-places';
import { blockOf, dataChunk, IngestBench } from './ingest.testing';
import type { RunGrant } from './run-grant';

eachDatabase('findPlaced', (open) => {
  let bench: IngestBench;
  let domain: number;
  let run: RunGrant;
  beforeEach(async () => {
    bench = IngestBench.open(await open());
    domain = await bench.newDomain();
    run = await bench.newRun(domain);
  });
  afterEach(() => {
    bench.close();
  });

  const many = (name: string, count: number) =>
    Array.from({ length: count }, (_, at) => dataChunk(`${name} ${at}`, 40));
  /** What is found, and how many statements that took. */
  const look = (keys: readonly ChunkKey[], from = domain) =>
    bench.db.database.read(async (sql) => {
      let statements = 0;
      const counting = new Proxy(sql, {
        get: (target, name) => {
          if (name === 'get' || name === 'allWith') statements += 1;
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
        },
      });
      const placed = await findPlaced(counting, from, keys);
      const found = new Map(placed.map((chunk) => [keyString(chunk), chunk]));
      expect(placed).toHaveLength(found.size);
      return { found, statements };
    });
  /** The same by the rows themselves. */
  const expected = async (keys: readonly ChunkKey[], from = domain) => {
    const rows = await bench.find(from, keys);
    return new Map(
      [...rows].map(([name, chunk]) => {
        const { id, height, packNo, blockOffset, blockLength, chunkOffset, chunkLength, isDamaged } = chunk;
        return [name, { id, height, packNo, blockOffset, blockLength, chunkOffset, chunkLength, isDamaged }];
      }),
    );
  };

  it('finds many by their packs, and few by their ids, at the same places', async () => {
    const [a, b] = [many('a', 300), many('b', 300)];
    await bench.send(run, [blockOf(...a.slice(0, 100)), blockOf(...a.slice(100))]);
    await bench.send(run, [blockOf(...b)]);
    const all = [...b, ...a];
    const { found, statements } = await look(all);
    expect(found.size).toBe(600);
    expect(found).toEqual(await expected(all));
    // For each pack: one of its keys, how many rows there are, and these.
    expect(statements).toBe(6);
    expect((await look(all.slice(0, 3))).statements).toBe(1);
    expect((await look(all.slice(0, 3))).found).toEqual(await expected(all.slice(0, 3)));
  });

  it('tells which are damaged', async () => {
    const a = many('a', 300);
    await bench.send(run, [blockOf(...a)]);
    await bench.db.database.write('settings.set', (tx) =>
      tx.run('update chunks set damaged = 1 where id = ?', [a[7]!.id]),
    );
    const { found } = await look(a);
    expect(found.get(keyString(a[7]!))?.isDamaged).toBe(true);
    expect(found).toEqual(await expected(a));
  });

  it('finds nothing of other domains, though it lies in the same pack', async () => {
    const [own, others] = [many('own', 300), many('others', 300)];
    await bench.send(run, [blockOf(...own, ...others)]);
    const stranger = await bench.newRun(await bench.newDomain());
    await bench.send(stranger, [blockOf(...own)]);
    const { found } = await look([...others, ...own], stranger.domainNo);
    expect(found).toEqual(await expected([...others, ...own], stranger.domainNo));
    expect(found.size).toBe(300);
  });

  it('reads no pack of which most is not asked for', async () => {
    const large = many('large', 1_500);
    await bench.send(run, [blockOf(...large)]);
    const { found, statements } = await look(large.slice(0, 300));
    expect(found.size).toBe(300);
    // One key, the rows up to what may be read, and then all keys by their ids.
    expect(statements).toBe(3);
  });

  it('reads no pack of so many rows that others would wait for it', async () => {
    const giant = many('giant', 4_000);
    for (const part of [0, 1_000, 2_000, 3_000]) await bench.send(run, [blockOf(...giant.slice(part, part + 1_000))]);
    await bench.db.database.write('settings.set', async (tx) => {
      await tx.run('update chunks set pack_no = 1');
      await tx.run(
        `insert into chunks (id, height, domain_no, size, pack_no, block_offset, block_length, chunk_offset, chunk_length, stored_length)
         select id, 1, domain_no, size, 1, block_offset, block_length, chunk_offset, chunk_length, 1 from chunks`,
      );
      await tx.run(
        `insert into chunks (id, height, domain_no, size, pack_no, block_offset, block_length, chunk_offset, chunk_length, stored_length)
         select id, 2, domain_no, size, 1, block_offset, block_length, chunk_offset, chunk_length, 1 from chunks where height = 1`,
      );
    });
    const { found, statements } = await look(giant);
    expect(found.size).toBe(4_000);
    expect(statements).toBe(2 + 4);
  });

  it('gives up on packs where each has few of the keys', async () => {
    const a = many('a', 300);
    await bench.send(run, [blockOf(...a)]);
    await bench.db.database.write('settings.set', (tx) => tx.run('update chunks set pack_no = 1000 + no'));
    const { found, statements } = await look(a);
    expect(found).toEqual(await expected(a));
    // The first pack, what the second would be, and then all keys by their ids.
    expect(statements).toBe(6);
  });

  it('finds lists, each once, though they have the ids of data', async () => {
    const a = many('a', 300);
    await bench.send(run, [blockOf(...a)]);
    await bench.db.database.write('settings.set', (tx) =>
      tx.run('update chunks set height = 1 where id = ?', [a[5]!.id]),
    );
    const list = { id: a[5]!.id, height: 1 };
    const { found } = await look([...a, list, list]);
    expect(found).toEqual(await expected([...a, list]));
    expect(found.size).toBe(300);
  });

  it('is not led astray by an id of another length', async () => {
    const a = many('a', 300);
    await bench.send(run, [blockOf(...a)]);
    await bench.db.database.write('settings.set', (tx) =>
      tx.run('update chunks set id = ? where id = ?', [a[5]!.id.subarray(0, 31), a[5]!.id]),
    );
    const { found } = await look(a);
    expect(found).toEqual(await expected(a));
    expect(found.size).toBe(299);
  });

  it('does not go on trying packs where keys are in none', async () => {
    const { found, statements } = await look(many('nowhere', 400));
    expect(found.size).toBe(0);
    expect(statements).toBe(18);
  });

  it('finds a key once, however often it is asked for', async () => {
    const a = many('a', 300);
    await bench.send(run, [blockOf(...a)]);
    expect((await look([...a, ...a])).found).toEqual(await expected(a));
  });
});
