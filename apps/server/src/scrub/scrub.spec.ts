import { type PlainChunk, keyString } from '#engine';
import { ChunkDamage } from '../backups/chunk-damage';
import type { DamageService } from '../backups/damage.service';
import { blockOf, dataChunk, IngestBench, listsOver, sized } from '../backups/ingest.testing';
import type { RunGrant } from '../backups/run-grant';
import { codeOf } from '../backups/runs.testing';
import { ServerSettings } from '../config/server-settings';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import type { ByteRange } from '../storage/storage';
import { PackReading } from './pack-reading';
import { ScrubRepository } from './scrub.repository';
import { type ScrubOptions, type ScrubReport, ScrubService, ScrubWork } from './scrub.service';
import { StorageLook } from './storage-look';

const DAY = 86_400_000;

eachDatabase('scrub', (open) => {
  let db: TestDatabase;
  let bench: IngestBench;
  let domainNo: number;
  let run: RunGrant;
  let scrub: ScrubService;

  beforeEach(async () => {
    db = await open();
    bench = IngestBench.open(db);
    const { database } = db;
    const repository = new ScrubRepository();
    const identity = new RepositoryIdentity(database, bench.memory);
    await identity.verify();
    const standing = {
      countChunks: async () => (await damaged()).length,
    } as unknown as DamageService;
    const work = new ScrubWork(
      repository,
      new StorageLook(database, bench.memory, repository),
      new PackReading(database, bench.memory, repository),
      new ChunkDamage(database, bench.chunks, bench.packs),
      standing,
    );
    const settings = Object.assign(new ServerSettings(), { scrubBytesPerSecond: 0 });
    scrub = new ScrubService(database, settings, identity, work);
    domainNo = await bench.newDomain();
    run = await bench.newRun(domainNo);
  });
  afterEach(() => {
    bench.close();
  });

  /** One that reads everything, a moment after what was done before. */
  function full(options: Partial<ScrubOptions> = {}): Promise<ScrubReport> {
    db.clock.advance(1);
    const { signal } = new AbortController();
    return scrub.run({ isDryRun: false, isFull: true, stepMs: DAY, signal, ...options });
  }

  const damaged = async (): Promise<string[]> => {
    const rows = await db.database.read((sql) =>
      sql.all<{ id: Buffer; height: number }>('select id, height from chunks where damaged = 1'),
    );
    return rows.map(keyString).sort();
  };
  const names = (...chunks: readonly PlainChunk[]): string[] => chunks.map(keyString).sort();
  const packs = (): Promise<{ key: string; length: number; scrubbed_at: number | null; fault: string | null }[]> =>
    db.database.read((sql) => sql.all('select key, length, scrubbed_at, fault from packs order by no'));

  async function alter(key: string, change: (bytes: Buffer) => Buffer): Promise<void> {
    await bench.memory.put(key, { bytes: change(await bench.memory.get(key)) });
  }
  const flip = (key: string, at: number): Promise<void> =>
    alter(key, (bytes) => {
      bytes[at] = bytes[at]! ^ 1;
      return bytes;
    });

  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((seed) => dataChunk(seed)) as [
    PlainChunk,
    PlainChunk,
    PlainChunk,
    PlainChunk,
  ];

  it('finds nothing wrong with what is right, and reads all of it', async () => {
    await bench.send(run, [blockOf(a, b), blockOf(c)]);
    await bench.send(run, [blockOf(d)]);
    expect(await full()).toMatchObject({ packs: 2, packsRead: 2, chunksRead: 4, damagedChunks: 0, faultyPacks: 0 });
    expect(await damaged()).toEqual([]);
    expect((await packs()).every((pack) => pack.scrubbed_at === db.clock.now() && pack.fault === null)).toBe(true);
  });

  it('finds a flipped bit wherever in a block it is, names the chunks of that block and no other', async () => {
    const [first, second] = [blockOf(a, b), blockOf(c)];
    await bench.send(run, [first, second]);
    const { key } = (await packs())[0]!;
    // Magic, version, kind, encoding, seal, count, digest, table, CRC, payload.
    for (const at of [0, 4, 5, 6, 7, 8, 30, 60, 52 + 2 * 37, first.length - 1]) {
      await flip(key, 16 + at);
      expect([at, await full()]).toMatchObject([at, { damagedChunks: 2, standingDamage: 2 }]);
      expect(await damaged()).toEqual(names(a, b));
      await flip(key, 16 + at);
      expect(await full()).toMatchObject({ clearedChunks: 2, standingDamage: 0 });
    }
  });

  it('finds what is missing of a pack that was cut off, and that its index is gone', async () => {
    const [first, second] = [blockOf(a, b), blockOf(c)];
    await bench.send(run, [first, second]);
    const { key } = (await packs())[0]!;
    await alter(key, (bytes) => bytes.subarray(0, 16 + first.length + 10));
    expect(await full()).toMatchObject({ misshapenPacks: 1, damagedChunks: 1, faultyPacks: 1 });
    expect(await damaged()).toEqual(names(c));
    expect((await packs())[0]!.fault).toContain('index is damaged');
  });

  it('tells of a damaged footer, and gives up none of the chunks, which can be read', async () => {
    await bench.send(run, [blockOf(a)]);
    const { key, length } = (await packs())[0]!;
    await flip(key, length - 45);
    expect(await full()).toMatchObject({ damagedChunks: 0, faultyPacks: 1 });
    expect((await packs())[0]!.fault).toContain('index is damaged');
    await flip(key, length - 45);
    expect(await full()).toMatchObject({ faultyPacks: 0 });
    expect((await packs())[0]!.fault).toBeNull();
  });

  it('finds with a mere look that a pack is gone, for every domain that has chunks in it', async () => {
    const stranger = await bench.newRun(await bench.newDomain());
    await bench.send(run, [blockOf(a, b)]);
    await bench.send(run, [blockOf(c)]);
    await bench.send(stranger, [blockOf(a)]);
    const { key } = (await packs())[0]!;
    await bench.memory.delete(key);
    expect(await full({ isFull: false })).toMatchObject({ missingPacks: 1, damagedChunks: 3, packsRead: 0 });
    expect(await damaged()).toEqual(names(a, a, b));
  });

  it('heals by the next upload, and is sound again', async () => {
    await bench.send(run, [blockOf(a, b)]);
    await bench.memory.delete((await packs())[0]!.key);
    await full();
    const missing = await bench.ingest.missing(run, [a, b]);
    expect(missing.map(keyString).sort()).toEqual(names(a, b));
    await bench.send(run, [blockOf(a, b)]);
    expect(await damaged()).toEqual([]);
    expect((await bench.read(domainNo, [a, b])).chunks.size).toBe(2);
    expect(await full()).toMatchObject({ packsRead: 1, chunksRead: 2, damagedChunks: 0, standingDamage: 0 });
  });

  it('concludes nothing from a storage that does not answer, tells of it, and reads the pack the next time', async () => {
    await bench.send(run, [blockOf(a)]);
    await bench.send(run, [blockOf(b)]);
    const { key } = (await packs())[0]!;
    const get = bench.memory.get.bind(bench.memory);
    bench.memory.get = (wanted: string, range?: ByteRange) =>
      wanted === key ? Promise.reject(new DomainError('storage-unavailable', 'EIO')) : get(wanted, range);
    expect(await full()).toMatchObject({ unreadablePacks: 1, packsRead: 1, damagedChunks: 0 });
    expect((await packs())[0]).toMatchObject({ scrubbed_at: null, fault: 'could not be read: EIO' });
    bench.memory.get = get;
    expect(await full()).toMatchObject({ unreadablePacks: 0, packsRead: 2, damagedChunks: 0 });
    expect((await packs())[0]).toMatchObject({ scrubbed_at: db.clock.now(), fault: null });
    expect(await damaged()).toEqual([]);
  });

  it('gives up when pack after pack cannot be read', async () => {
    for (const seed of ['1', '2', '3', '4', '5', '6']) await bench.send(run, [blockOf(dataChunk(seed))]);
    const get = bench.memory.get.bind(bench.memory);
    bench.memory.get = (wanted: string, range?: ByteRange) =>
      wanted.startsWith('packs/')
        ? Promise.reject(new DomainError('storage-unavailable', 'S3 500'))
        : get(wanted, range);
    expect(await codeOf(full())).toBe('storage-unavailable');
    expect(await damaged()).toEqual([]);
    bench.memory.get = get;
    expect(await full()).toMatchObject({ packsRead: 6, damagedChunks: 0 });
  });

  it('does not believe wrong bytes, or an absence, that it sees once', async () => {
    await bench.send(run, [blockOf(a), blockOf(b)]);
    const { key } = (await packs())[0]!;
    const get = bench.memory.get.bind(bench.memory);
    let reads = 0;
    bench.memory.get = async (wanted: string, range?: ByteRange) => {
      const bytes = await get(wanted, range);
      if (wanted === key && (reads += 1) === 1) bytes.fill(0);
      return bytes;
    };
    expect(await full()).toMatchObject({ damagedChunks: 0, packsRead: 1 });
    reads = 0;
    bench.memory.get = (wanted: string, range?: ByteRange) =>
      wanted === key && (reads += 1) === 1
        ? Promise.reject(new DomainError('object-missing', 'not there'))
        : get(wanted, range);
    expect(await full()).toMatchObject({ damagedChunks: 0, packsRead: 1 });
    bench.memory.get = get;
    const list = bench.memory.list.bind(bench.memory);
    bench.memory.list = async function* (prefix: string) {
      for await (const object of list(prefix)) if (object.key !== key) yield object;
    };
    expect(await full()).toMatchObject({ missingPacks: 0, damagedChunks: 0 });
    expect(await damaged()).toEqual([]);
  });

  it('concludes nothing from a storage that is another one', async () => {
    await bench.send(run, [blockOf(a)]);
    await bench.memory.delete((await packs())[0]!.key);
    const id = '11111111-2222-4333-8444-555555555555';
    await bench.memory.put('repository.json', { bytes: Buffer.from(JSON.stringify({ id, format: 1 })) });
    expect(await codeOf(full())).toBe('storage-unavailable');
    expect(await damaged()).toEqual([]);
  });

  it('leaves alone a chunk that was moved to another pack while it read', async () => {
    await bench.send(run, [blockOf(a)]);
    await bench.send(run, [blockOf(b)]);
    const { key, length } = (await packs())[0]!;
    const target = (await packs())[1]!.key;
    await bench.memory.put(target, { bytes: await bench.memory.get(key) });
    await db.database.write('packs.live', async (tx) => {
      await tx.run('delete from chunks where id = ?', [b.id]);
      await tx.run('update packs set length = ? where key = ?', [length, target]);
    });
    await flip(key, 200);
    const get = bench.memory.get.bind(bench.memory);
    let isMoved = false;
    bench.memory.get = async (wanted: string, range?: ByteRange) => {
      if (wanted === key && !isMoved) {
        isMoved = true;
        await db.database.write('packs.live', (tx) => tx.run('update chunks set pack_no = 2 where pack_no = 1'));
      }
      return get(wanted, range);
    };
    expect(await full()).toMatchObject({ packsRead: 2, damagedChunks: 0 });
    expect(isMoved).toBe(true);
  });

  it('goes on where it was broken off', async () => {
    for (const seed of ['1', '2', '3']) await bench.send(run, [blockOf(dataChunk(seed))]);
    const stop = new AbortController();
    const onProgress = ({ packsRead }: ScrubReport): void => {
      if (packsRead === 2) stop.abort(new Error('killed'));
    };
    await expect(full({ signal: stop.signal, onProgress })).rejects.toThrow('killed');
    expect((await packs()).map(({ scrubbed_at: at }) => at !== null)).toEqual([true, true, false]);
    // By schedule: what was read a moment ago waits, what was not is due in a month at the latest.
    db.clock.advance(29 * DAY);
    expect(await full({ isFull: false })).toMatchObject({ packsRead: 3 });
  });

  it('reads a part a day, all of it in SCRUB_DAYS', async () => {
    for (let seed = 0; seed < 6; seed += 1) await bench.send(run, [blockOf(dataChunk(String(seed)))]);
    let read = 0;
    for (let day = 0; day < 30; day += 1) {
      db.clock.advance(DAY);
      const { packsRead } = await full({ isFull: false });
      expect(packsRead).toBe(1);
      read += packsRead;
    }
    expect(read).toBe(30);
    expect((await packs()).every(({ scrubbed_at: at }) => at! > db.clock.now() - 30 * DAY)).toBe(true);
  });

  it('does not take a list for sound that names a chunk which is gone, however good its bytes are', async () => {
    const parts = Array.from({ length: 3 }, (_, at) => dataChunk(`part ${at}`));
    const lists = listsOver(sized(parts));
    await bench.send(run, [blockOf(...parts), blockOf(...lists)]);
    await db.database.write('chunks.damaged', async (tx) => {
      await tx.run('update chunks set damaged = 1 where height = 1 or id = ?', [parts[0]!.id]);
      await tx.run('delete from chunks where id = ?', [parts[1]!.id]);
    });
    expect(await full()).toMatchObject({ clearedChunks: 1, standingDamage: 1 });
    expect(await damaged()).toEqual(names(...lists));
  });

  it('tells of objects that no row stands for, and deletes none', async () => {
    await bench.send(run, [blockOf(a)]);
    const key = 'packs/00/00000000-0000-4000-8000-000000000000';
    await bench.memory.put(key, { bytes: Buffer.alloc(10) });
    expect(await full()).toMatchObject({ packs: 1, strayObjects: 1, strayBytes: 10 });
    expect(await bench.memory.stat(key)).not.toBeNull();
  });

  it('only looks and writes nothing when it is tried dry', async () => {
    await bench.send(run, [blockOf(a)]);
    await bench.memory.delete((await packs())[0]!.key);
    const passed = db.killPoints.passed.length;
    expect(await full({ isDryRun: true })).toMatchObject({ missingPacks: 1, packsRead: 0, damagedChunks: 0 });
    expect(db.killPoints.passed).toHaveLength(passed);
  });
});
