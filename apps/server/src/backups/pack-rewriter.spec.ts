import { keyString, type PlainChunk } from '#engine';
import { type KillPoint, LIMITS } from '#common';
import { ServerSettings } from '../config/server-settings';
import { eachDatabase, gate, type TestDatabase, TestUptime } from '../database/testing';
import { guardOn } from '../guards/guards.testing';
import type { MemoryStorage } from '../storage/memory.storage';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import { blockOf, dataChunk, IngestBench, listsOver, sized } from './ingest.testing';
import { newPackKey } from './pack-key';
import type { ReclaimReport } from './reclaim-report';
import { ReclaimRepository } from './reclaim.repository';
import { reclaimOn } from './reclaim.testing';
import { RewriteRepository } from './rewrite.repository';
import type { RunGrant } from './run-grant';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

eachDatabase('rewriting packs', (open, dialect) => {
  let db: TestDatabase;
  let bench: IngestBench;
  let domainNo: number;
  let run: RunGrant;
  let nextPath = 1;
  let movedDays: number;

  beforeEach(async () => {
    movedDays = 0;
    db = await open();
    bench = IngestBench.open(db);
    await new RepositoryIdentity(db.database, bench.memory).verify();
    domainNo = await bench.newDomain();
    run = await bench.newRun(domainNo);
  });
  afterEach(() => {
    bench.close();
  });

  const pass = (isDryRun = false): Promise<ReclaimReport> => {
    const guard = guardOn(db.database, bench.memory, new TestUptime(db.clock));
    const settings = Object.assign(new ServerSettings(), { reclaimMovedDays: movedDays });
    const { service } = reclaimOn(db.database, bench.memory, guard, { settings, disk: bench.disk });
    return service.run({ isDryRun, signal: new AbortController().signal });
  };

  /** Versions of these chunks; the run that uploaded them is over. */
  async function keep(domain: number, chunks: readonly PlainChunk[]): Promise<void> {
    const found = await bench.find(domain, chunks);
    await db.database.write('runs.batch', async (tx) => {
      await tx.run(`update runs set state = 'succeeded'`);
      for (const { no } of found.values()) {
        await tx.run(
          `insert into file_versions (task_no, path_no, first_run, kind, size, content_no, content_since, exists_since,
             entry, detect) values (?, ?, 1, 1, 1, ?, 1, 1, ?, ?)`,
          [run.taskNo, (nextPath += 1), no, Buffer.alloc(1), Buffer.alloc(1)],
        );
      }
    });
  }

  const storedBytes = async (): Promise<number> => {
    let bytes = 0;
    for await (const { length } of bench.memory.list('packs/')) bytes += length;
    return bytes;
  };

  /** Reads them as a restore does, and compares every byte. */
  async function expectReadable(domain: number, chunks: readonly PlainChunk[]): Promise<void> {
    const { chunks: read } = await bench.read(domain, chunks);
    for (const chunk of chunks) expect(read.get(keyString(chunk))?.equals(chunk.bytes)).toBe(true);
  }

  const many = (name: string, count: number): PlainChunk[] =>
    Array.from({ length: count }, (_, at) => dataChunk(`${name} ${at}`));

  /** What is not kept is condemned, and swept two days later: by that pass the pack is sparse. */
  async function ripen(): Promise<void> {
    await pass();
    db.clock.advance(2 * DAY);
  }

  /** A pack of three blocks: all kept, half kept, nothing kept. */
  async function sparsePack(): Promise<PlainChunk[]> {
    const kept = await sparseOf('');
    await ripen();
    return kept;
  }

  async function sparseOf(...names: readonly string[]): Promise<PlainChunk[]> {
    const kept: PlainChunk[] = [];
    for (const name of names) {
      const [whole, half, none] = [many(`${name}whole`, 4), many(`${name}half`, 4), many(`${name}none`, 8)];
      await bench.send(run, [blockOf(...whole), blockOf(...half), blockOf(...none)]);
      kept.push(...whole, ...half.slice(0, 2));
    }
    await keep(domainNo, kept);
    return kept;
  }

  /** Each so large that it is a group of its own. */
  async function twoSparseGroups(): Promise<PlainChunk[]> {
    const kept = await sparseOf('one ', 'two ');
    await db.database.write('packs.live', (tx) => tx.run('update packs set length = ?', [60 * 1024 * 1024]));
    await ripen();
    return kept;
  }

  it('gives back what is not in use in a pack, within its blocks too', async () => {
    const kept = await sparsePack();
    const before = await storedBytes();
    expect(await pass()).toMatchObject({ swept: 10, sparsePacks: 1, rewrittenPacks: 1, packsDied: 1, packsDeleted: 0 });
    // Both are there while readers may have the old one open.
    expect(await bench.packStates()).toEqual([{ state: 'dead' }, { state: 'live' }]);
    await expectReadable(domainNo, kept);
    db.clock.advance(HOUR + 1);
    expect(await pass()).toMatchObject({ packsDeleted: 1, freedBytes: before, sparsePacks: 0 });
    await expectReadable(domainNo, kept);
    expect(await storedBytes()).toBeLessThan(before * 0.45);
    // What is written once is not written again.
    db.clock.advance(2 * DAY);
    expect(await pass()).toMatchObject({ sparsePacks: 0, smallPacks: 0, rewrittenPacks: 0 });
  });

  it('tells in a dry run what would be written anew and what comes back, and writes nothing', async () => {
    await sparsePack();
    const passed = db.killPoints.passed.length;
    const dry = await pass(true);
    expect(db.killPoints.passed).toHaveLength(passed);
    expect(dry).toMatchObject({ swept: 10, sparsePacks: 1, rewrittenPacks: 0, packsDied: 0 });
    const before = await storedBytes();
    await pass();
    db.clock.advance(HOUR + 1);
    await pass();
    const cameBack = before - (await storedBytes());
    expect(Math.abs(dry.rewriteFreesBytes - cameBack)).toBeLessThan(before * 0.1);
  });

  it('merges small packs, lists with what they name', async () => {
    const all: PlainChunk[] = [];
    for (let at = 0; at < 16; at += 1) {
      const chunks = many(`pack ${at}`, 5);
      const lists = listsOver(sized(chunks));
      await bench.send(run, [blockOf(...chunks), blockOf(...lists)]);
      all.push(...chunks, ...lists);
    }
    await keep(domainNo, all);
    db.clock.advance(1);
    expect(await pass()).toMatchObject({ sparsePacks: 0, smallPacks: 16, rewrittenPacks: 16 });
    db.clock.advance(HOUR + 1);
    await pass();
    expect(await bench.storedKeys()).toHaveLength(1);
    await expectReadable(domainNo, all);
  });

  it('moves the rows of every domain that shares the place, and lets nothing of one out to another', async () => {
    const mine = many('mine', 6);
    const [shared] = mine;
    await bench.send(run, [blockOf(...mine), blockOf(...many('none', 12))]);
    const other = await bench.newDomain();
    await bench.send(await bench.newRun(other), [blockOf(shared!)]);
    await keep(domainNo, mine);
    await keep(other, [shared!]);
    await ripen();
    expect(await pass()).toMatchObject({ rewrittenPacks: 1 });
    await expectReadable(domainNo, mine);
    const read = await bench.read(other, mine);
    expect([...read.chunks.keys()]).toEqual([keyString(shared!)]);
  });

  it('leaves alone what a run uploaded that may be gone on with', async () => {
    const chunks = many('a', 8);
    await bench.send(run, [blockOf(...chunks)]);
    await keep(domainNo, chunks.slice(0, 4));
    const setRuns = (state: string): Promise<unknown> =>
      db.database.write('runs.commit', (tx) => tx.run('update runs set state = ?', [state]));
    await setRuns('running');
    await db.database.write('reclaim.sweep', (tx) =>
      tx.run('delete from chunks where no not in (select content_no from file_versions)'),
    );
    db.clock.advance(1);
    expect(await pass()).toMatchObject({ sparsePacks: 0, rewrittenPacks: 0 });
    await setRuns('succeeded');
    expect(await pass()).toMatchObject({ sparsePacks: 1, rewrittenPacks: 1 });
  });

  it('moves what is sound, and marks what is bad: its pack stays until that is healed', async () => {
    const kept = await sparsePack();
    const [key] = await bench.storedKeys();
    const bytes = await bench.memory.get(key!);
    // Within the payload of the first block.
    bytes[1_000] = bytes[1_000]! ^ 1;
    await bench.memory.put(key!, { bytes });
    expect(await pass()).toMatchObject({ sparsePacks: 1, rewrittenPacks: 0 });
    expect(await bench.packStates()).toEqual([{ state: 'live' }, { state: 'live' }]);
    const found = await bench.find(domainNo, kept);
    expect([...found.values()].filter(({ isDamaged }) => isDamaged)).toHaveLength(4);
    await expectReadable(domainNo, kept.slice(4));
    db.clock.advance(2 * HOUR);
    expect(await pass()).toMatchObject({ sparsePacks: 0 });
    const next = await bench.newRun(domainNo);
    await bench.send(next, [blockOf(...kept.slice(0, 4))]);
    await expectReadable(domainNo, kept);
    await keep(domainNo, []);
    expect(await pass()).toMatchObject({ packsDied: 1 });
  });

  const scrubbed = (): Promise<unknown> =>
    db.database.write('scrub.progress', (tx) => tx.run('update packs set scrubbed_at = 1, fault = null'));

  it('leaves a pack that cannot be read as it is, names it, and has scrub read it first', async () => {
    const kept = await sparsePack();
    const get = bench.memory.get.bind(bench.memory);
    bench.memory.get = (key, range) =>
      key.startsWith('packs/') ? Promise.reject(new DomainError('storage-unavailable', 'EIO on it')) : get(key, range);
    const report = await pass();
    expect(report).toMatchObject({ failedPacks: 1, rewrittenPacks: 0, writtenBytes: 0 });
    expect(report.problems).toEqual([expect.stringContaining('EIO on it')]);
    bench.memory.get = get;
    expect(await bench.packStates()).toEqual([{ state: 'live' }]);
    expect([...(await bench.find(domainNo, kept)).values()].some(({ isDamaged }) => isDamaged)).toBe(false);
    const packs = await db.database.read((sql) => sql.all('select scrubbed_at as "readAt", fault from packs'));
    expect(packs).toEqual([{ readAt: 0, fault: expect.stringContaining('EIO on it') as string }]);
    // It would fail first each time, and end the rewriting of all others.
    expect(await pass()).toMatchObject({ sparsePacks: 0, rewrittenPacks: 0, failedPacks: 0 });
    await scrubbed();
    expect(await pass()).toMatchObject({ rewrittenPacks: 1, failedPacks: 0, problems: [] });
    await expectReadable(domainNo, kept);
  });

  it('writes the others of a group anew when one of them cannot be read', async () => {
    const kept = await sparseOf('one ', 'two ');
    await ripen();
    const [bad] = await bench.storedKeys();
    const get = bench.memory.get.bind(bench.memory);
    bench.memory.get = (key, range) =>
      key === bad ? Promise.reject(new DomainError('storage-unavailable', 'EIO')) : get(key, range);
    expect(await pass()).toMatchObject({ sparsePacks: 2, failedPacks: 1, rewrittenPacks: 1 });
    bench.memory.get = get;
    await expectReadable(domainNo, kept);
    await scrubbed();
    expect(await pass()).toMatchObject({ failedPacks: 0, rewrittenPacks: 1 });
    await expectReadable(domainNo, kept);
  });

  it('goes on with the next group when one cannot be written, and changes no row of it', async () => {
    const kept = await twoSparseGroups();
    const put = bench.memory.put.bind(bench.memory);
    let puts = 0;
    bench.memory.put = (key, body) => {
      if (key.startsWith('packs/') && (puts += 1) === 1)
        return Promise.reject(new DomainError('storage-unavailable', 'the disk hiccups'));
      return put(key, body);
    };
    const report = await pass();
    expect(report).toMatchObject({ sparsePacks: 2, failedPacks: 1, rewrittenPacks: 1 });
    expect(report.problems).toEqual([expect.stringContaining('the disk hiccups')]);
    await expectReadable(domainNo, kept);
  });

  it('leaves MIN_FREE_BYTES of the disk, asked anew before each group, and deletes all the same', async () => {
    const kept = await twoSparseGroups();
    const { minFreeBytes } = new ServerSettings();
    bench.disk.freeBytes = minFreeBytes / 4 + 1_000;
    const refused = await pass();
    expect(refused).toMatchObject({ swept: 20, packsWithoutRoom: 2, rewrittenPacks: 0, failedPacks: 0 });
    expect(refused.problems).toEqual([expect.stringContaining('let retention take more')]);
    bench.disk.freeBytes = 1e12;
    const put = bench.memory.put.bind(bench.memory);
    bench.memory.put = (key, body) => {
      if (key.startsWith('packs/')) bench.disk.freeBytes = minFreeBytes;
      return put(key, body);
    };
    expect(await pass()).toMatchObject({ packsLater: 1, rewrittenPacks: 1 });
    await expectReadable(domainNo, kept);
    // On a disk that is full, what died goes.
    bench.disk.freeBytes = minFreeBytes / 4;
    db.clock.advance(HOUR + 1);
    expect(await pass()).toMatchObject({ packsDeleted: 1, packsWithoutRoom: 1 });
  });

  it('goes down into the reserve of a full disk, to what has room there, and holds no pack back then', async () => {
    movedDays = 3;
    const kept = await twoSparseGroups();
    // The first would take 22.5 MiB, the second 18.75.
    await db.database.write('packs.live', (tx) =>
      tx.run('update packs set length = ? where no = (select max(no) from packs)', [50 * 1024 * 1024]),
    );
    const { minFreeBytes } = new ServerSettings();
    bench.disk.freeBytes = minFreeBytes / 4 + 20 * 1024 * 1024;
    expect(await pass()).toMatchObject({ packsWithoutRoom: 1, rewrittenPacks: 1, packsDeleted: 0 });
    await expectReadable(domainNo, kept);
    expect(await pass()).toMatchObject({ packsDeleted: 0, endedHolds: 0, heldPacks: 1 });
    db.clock.advance(HOUR + 1);
    const remove = bench.memory.delete.bind(bench.memory);
    bench.memory.delete = (key) => {
      bench.disk.freeBytes = minFreeBytes;
      return remove(key);
    };
    expect(await pass()).toMatchObject({ packsDeleted: 1, endedHolds: 1, heldPacks: 0, rewrittenPacks: 1 });
    // Enough is free, for the largest upload too: what died now waits its days.
    db.clock.advance(HOUR + 1);
    bench.disk.freeBytes = minFreeBytes + LIMITS.packBodyBytes;
    expect(await pass()).toMatchObject({ packsDeleted: 0, endedHolds: 0, heldPacks: 1 });
    bench.disk.freeBytes -= 1;
    expect(await pass()).toMatchObject({ packsDeleted: 1, endedHolds: 1, heldPacks: 0 });
    await expectReadable(domainNo, kept);
  });

  it('makes room on a full disk for more than the next upload, and ends no more holds than that takes', async () => {
    movedDays = 3;
    for (let at = 0; at < 4; at += 1) await bench.send(run, [blockOf(...many(`none ${at}`, 2))]);
    await keep(domainNo, []);
    await ripen();
    expect(await pass()).toMatchObject({ packsDied: 4, heldPacks: 4 });
    db.clock.advance(HOUR + 1);
    const { minFreeBytes } = new ServerSettings();
    bench.disk.freeBytes = minFreeBytes + LIMITS.packBodyBytes - 1;
    const remove = bench.memory.delete.bind(bench.memory);
    bench.memory.delete = (key) => {
      bench.disk.freeBytes += 6 * LIMITS.packBodyBytes;
      return remove(key);
    };
    expect(await pass()).toMatchObject({ endedHolds: 3, packsDeleted: 3, heldPacks: 1 });
  });

  it('writes no more anew, in however many passes, until what lies there twice has gone', async () => {
    movedDays = 3;
    const kept = await twoSparseGroups();
    const { minFreeBytes } = new ServerSettings();
    // A group takes 22.5 MiB: the first has room beside the next upload, and a second would be more than a quarter of what is free.
    bench.disk.freeBytes = minFreeBytes + LIMITS.packBodyBytes + 23 * 1024 * 1024;
    expect(await pass()).toMatchObject({ rewrittenPacks: 1, packsLater: 1, packsWithoutRoom: 0 });
    for (let day = 1; day <= 3; day += 1) {
      db.clock.advance(DAY);
      expect(await pass()).toMatchObject({ rewrittenPacks: 0, packsLater: 1, heldPacks: 1 });
    }
    await expectReadable(domainNo, kept);
    db.clock.advance(1);
    expect(await pass()).toMatchObject({ packsDeleted: 1, rewrittenPacks: 1, packsLater: 0 });
    await expectReadable(domainNo, kept);
  });

  it('keeps a pack whose chunks moved for RECLAIM_MOVED_DAYS: an older copy of the catalog finds them there', async () => {
    movedDays = 3;
    const kept = await sparsePack();
    const places = await bench.find(domainNo, kept);
    const [old] = await bench.storedKeys();
    expect(await pass()).toMatchObject({ rewrittenPacks: 1, heldPacks: 0 });
    db.clock.advance(3 * DAY);
    expect(await pass()).toMatchObject({ packsDeleted: 0, heldPacks: 1 });
    for (const { blockOffset, blockLength } of places.values()) {
      expect(await bench.memory.get(old!, { offset: blockOffset, length: blockLength })).toHaveLength(blockLength);
    }
    db.clock.advance(1);
    expect(await pass()).toMatchObject({ packsDeleted: 1, heldPacks: 0, heldBytes: 0 });
    expect(await bench.storedKeys()).not.toContain(old);
    await expectReadable(domainNo, kept);
  });

  it('keeps it also when it died later than its chunks moved, and the last of the rest was swept', async () => {
    movedDays = 3;
    const kept = await sparsePack();
    const [key] = await bench.storedKeys();
    const bytes = await bench.memory.get(key!);
    bytes[1_000] = bytes[1_000]! ^ 1;
    await bench.memory.put(key!, { bytes });
    // What is bad stays behind; then nobody wants it any more.
    expect(await pass()).toMatchObject({ rewrittenPacks: 0, packsDied: 0 });
    await db.database.write('reclaim.sweep', (tx) => tx.run('delete from chunks where damaged = 1'));
    db.clock.advance(3 * DAY);
    expect(await pass()).toMatchObject({ packsDied: 1, packsDeleted: 0, heldPacks: 1 });
    db.clock.advance(3 * DAY + 1);
    expect(await pass()).toMatchObject({ packsDeleted: 1 });
    await expectReadable(domainNo, kept.slice(4));
  });

  it('keeps a pack that was swept empty as long: an older copy of the catalog shows versions that lie in it', async () => {
    movedDays = 3;
    const none = many('none', 8);
    await bench.send(run, [blockOf(...none)]);
    await keep(domainNo, []);
    const [place] = (await bench.find(domainNo, none)).values();
    const [key] = await bench.storedKeys();
    await ripen();
    expect(await pass()).toMatchObject({ packsDied: 1, heldPacks: 1 });
    db.clock.advance(3 * DAY);
    expect(await pass()).toMatchObject({ packsDeleted: 0, heldPacks: 1 });
    const { blockOffset, blockLength } = place!;
    expect(await bench.memory.get(key!, { offset: blockOffset, length: blockLength })).toHaveLength(blockLength);
    db.clock.advance(1);
    expect(await pass()).toMatchObject({ packsDeleted: 1, heldPacks: 0 });
  });

  it('keeps none that never was live', async () => {
    movedDays = 3;
    await db.database.write('packs.uploading', (tx) =>
      bench.packs.insertUploading(tx, { key: newPackKey(), taskNo: run.taskNo, runNumber: 1 }),
    );
    db.clock.advance(DAY + 1);
    await pass();
    db.clock.advance(HOUR + 1);
    expect(await pass()).toMatchObject({ packsDeleted: 1, heldPacks: 0 });
  });

  const DEATHS: readonly KillPoint[] = [
    'packs.uploading:before-commit',
    'packs.uploading:after-commit',
    'reclaim.move:before-commit',
    'reclaim.move:after-commit',
    'packs.dead:before-commit',
    'packs.dead:after-commit',
  ];
  it.each(DEATHS)('goes on after a death at %s', async (point) => {
    const kept = await sparsePack();
    const hit = db.killPoints.hit.bind(db.killPoints);
    let isDead = false;
    db.killPoints.hit = (passed) => {
      if (passed === point) isDead = true;
      if (isDead) throw new Error('killed');
      hit(passed);
    };
    // What comes after it finds no database.
    await pass().catch(() => undefined);
    expect(isDead).toBe(true);
    db.killPoints.hit = hit;
    await expectReadable(domainNo, kept);
    for (const hours of [0, 2, 50, 52]) {
      db.clock.advance(hours * HOUR);
      await pass();
      await expectReadable(domainNo, kept);
    }
    const states = (await bench.packStates()).map(({ state }) => state);
    expect(states.filter((state) => state !== 'deleted')).toEqual(['live']);
    expect(await bench.storedKeys()).toHaveLength(1);
  });

  it('lets a reader go on whose pack was written anew and deleted while it read', async () => {
    const kept = await sparsePack();
    let isFirst = true;
    const late = bench.with((memory: MemoryStorage) =>
      Object.assign(Object.create(memory) as MemoryStorage, {
        get: async (...call: Parameters<MemoryStorage['get']>) => {
          if (isFirst) {
            isFirst = false;
            await pass();
            db.clock.advance(HOUR + 1);
            await pass();
          }
          return memory.get(...call);
        },
      }),
    );
    const { chunks } = await late.read(domainNo, kept);
    expect(chunks.size).toBe(kept.length);
    expect([...(await bench.find(domainNo, kept)).values()].some(({ isDamaged }) => isDamaged)).toBe(false);
  });

  if (dialect === 'postgres') {
    describe('beside others', () => {
      const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

      it('waits for an upload that comes to share a place, and moves its row too', async () => {
        const [chunk] = many('shared', 1);
        await bench.send(run, [blockOf(chunk!)]);
        const other = await bench.newDomain();
        const [from] = await packNos();
        const to = await newPack();
        const place = [...(await bench.find(domainNo, [chunk!])).values()][0]!;
        const [held, go] = [gate(), gate()];
        const sharing = db.database.write('packs.live', async (tx) => {
          await bench.packs.lockLiveForShare(tx, [from!]);
          await bench.chunks.insertChunks(tx, other, [place]);
          held.open();
          await go.passed;
        });
        await held.passed;
        const moves = new Map([[place.no, { ...place, packNo: to }]]);
        const moving = db.database.write('reclaim.move', async (tx) => {
          const repository = new RewriteRepository();
          await repository.hold(tx, [from!, to]);
          await repository.move(tx, from!, moves);
          return (await repository.chunksIn(tx, from!, 0, 10)).length;
        });
        await soon();
        go.open();
        await sharing;
        // The second statement sees the row that came meanwhile: it was not among those to move, so the pack must not die.
        expect(await moving).toBe(1);
        expect(await db.database.write('packs.dead', (tx) => new ReclaimRepository().bury(tx, [from!]))).toEqual([]);
      });

      it('makes an upload wait that comes to share a place, which then finds the pack dead', async () => {
        const [chunk] = many('moved', 1);
        await bench.send(run, [blockOf(chunk!)]);
        const [from] = await packNos();
        const to = await newPack();
        const place = [...(await bench.find(domainNo, [chunk!])).values()][0]!;
        const [moved, go] = [gate(), gate()];
        const moving = db.database.write('reclaim.move', async (tx) => {
          const repository = new RewriteRepository();
          await repository.hold(tx, [from!, to]);
          await repository.move(tx, from!, new Map([[place.no, { ...place, packNo: to }]]));
          await new ReclaimRepository().bury(tx, [from!]);
          moved.open();
          await go.passed;
        });
        await moved.passed;
        const sharing = db.database.write('packs.live', (tx) => bench.packs.lockLiveForShare(tx, [from!]));
        await soon();
        go.open();
        await moving;
        expect([...(await sharing)]).toEqual([]);
      });

      it('does not mark as damaged what was moved while somebody found its old place gone', async () => {
        const [chunk] = many('gone', 1);
        await bench.send(run, [blockOf(chunk!)]);
        const [from] = await packNos();
        const to = await newPack();
        const place = [...(await bench.find(domainNo, [chunk!])).values()][0]!;
        const [moved, go] = [gate(), gate()];
        const moving = db.database.write('reclaim.move', async (tx) => {
          const repository = new RewriteRepository();
          await repository.hold(tx, [from!, to]);
          await repository.move(tx, from!, new Map([[place.no, { ...place, packNo: to }]]));
          moved.open();
          await go.passed;
        });
        await moved.passed;
        const marking = db.database.write('chunks.damaged', async (tx) => {
          await bench.packs.lockLiveForShare(tx, [from!]);
          return bench.chunks.markDamaged(tx, { packNo: from!, offset: place.blockOffset }, [chunk!]);
        });
        await soon();
        go.open();
        await moving;
        expect(await marking).toBe(0);
      });

      it('two rewritings of one pack, of servers that do not know of each other, lose nothing', async () => {
        const kept = await sparsePack();
        const passes = await Promise.allSettled([pass(), pass()]);
        expect(passes.some(({ status }) => status === 'fulfilled')).toBe(true);
        await expectReadable(domainNo, kept);
        for (const hours of [2, 50]) {
          db.clock.advance(hours * HOUR);
          await pass();
          await expectReadable(domainNo, kept);
        }
        expect(await bench.storedKeys()).toHaveLength(1);
      });

      const packNos = async (): Promise<number[]> =>
        (await db.database.read((sql) => sql.all<{ no: number }>('select no from packs order by no'))).map(
          ({ no }) => no,
        );

      async function newPack(): Promise<number> {
        return db.database.write('packs.uploading', async (tx) => {
          const key = 'packs/11/11111111-0000-4000-8000-000000000000';
          const no = await bench.packs.insertUploading(tx, { key, taskNo: 0, runNumber: 0 });
          await bench.packs.goLive(tx, no, 1_000, 1_000);
          return no;
        });
      }
    });
  }
});
