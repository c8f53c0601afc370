import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Logger } from '@nestjs/common';
import { type ContentRef, parseBlockHeader, type PlainChunk } from '#engine';
import { TaskAdoption } from '../backups/adoption/task-adoption';
import { blocksOf, dataChunk, IngestBench, listsOver, sized } from '../backups/ingest.testing';
import { reclaimOn } from '../backups/reclaim.testing';
import { directory, file, fileOf, type TestAgent, TestServer, type WatchedStorage } from '../backups/runs.testing';
import { Database } from '../database/database';
import { eachDatabase, TestClock, type TestDatabase, TestUptime } from '../database/testing';
import { guardOn } from '../guards/guards.testing';
import { DomainError } from '../http/domain-error';
import { LocalDiskStorage } from '../storage/local-disk.storage';
import type { MemoryStorage } from '../storage/memory.storage';
import { RepositoryIdentity } from '../storage/repository-identity';
import { dumpCatalog, emptyPlace, type Place, RESTORE, restoreTold } from './catalog.testing';

const DAY = 24 * 3_600_000;

/** A restored catalog, with what works on it. */
interface Restored {
  readonly report: object;
  readonly server: TestServer;
  readonly bench: IngestBench;
  /** As many passes of reclaim, and as much time between, as give back what nobody needs. */
  readonly reclaim: () => Promise<void>;
}

eachDatabase('a catalog that is restored although chunks lie in several places', (open, dialect) => {
  let db: TestDatabase;
  let folder: string;
  let storage: LocalDiskStorage;
  let server: TestServer;
  let bench: IngestBench;
  let agent: TestAgent;
  let place: Place;
  const cleanups: (() => Promise<void> | void)[] = [];
  beforeEach(async () => {
    Logger.overrideLogger(false);
    db = await open();
    folder = mkdtempSync(join(tmpdir(), 'holdfast-copies-'));
    cleanups.push(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    storage = await LocalDiskStorage.open(folder);
    await new RepositoryIdentity(db.database, storage).verify();
    server = new TestServer(db.database, storage as object as WatchedStorage);
    bench = IngestBench.on(db, storage as object as MemoryStorage);
    agent = await server.agent(1, await bench.newDomain());
    place = await emptyPlace(dialect, folder, cleanups);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const [x, y] = [dataChunk('x'), dataChunk('y')];
  const dump = (): Promise<void> => dumpCatalog(db, storage, folder);
  const packs = async (): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of storage.list('packs/')) keys.push(key);
    return keys;
  };
  const contentOf = (chunks: readonly PlainChunk[]): { content: ContentRef; blocks: Buffer[] } => {
    const lists = listsOver(sized(chunks));
    const top = lists.at(-1) ?? chunks[0]!;
    const size = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return { content: { id: top.id, height: top.height, size }, blocks: [...blocksOf(chunks), ...blocksOf(lists)] };
  };
  /** A run that saves the content as a file, and sends what of it is asked for. Returns the key of the pack that came with it. */
  const save = async (name: string, chunks: readonly PlainChunk[], mode = 0o644): Promise<string> => {
    const before = new Set(await packs());
    const { content, blocks } = contentOf(chunks);
    await agent.start();
    await bench.send(agent.grant, blocks);
    await agent.send(fileOf(name, content, mode));
    await agent.commit();
    return (await packs()).find((key) => !before.has(key)) ?? '';
  };
  /** Changes bytes of a stored pack; by itself one of the payload of its first block. */
  const rot = (key: string, change: (pack: Buffer) => void = flipPayload(16)): void => {
    const bytes = readFileSync(join(folder, key));
    change(bytes);
    writeFileSync(join(folder, key), bytes);
  };
  /** All chunks that a reader gets; what is bad is marked damaged by that. */
  const readable = async (chunks: readonly PlainChunk[], from = bench): Promise<number> =>
    (await from.read(agent.grant.domainNo, chunks)).chunks.size;
  /** A pack that the dump does not know gets another key, which stands before all others, or after them. */
  const rename = (key: string, isFirst: boolean): string => {
    const renamed = isFirst ? `packs/00/00${key.slice(11)}` : `packs/ff/ff${key.slice(11)}`;
    mkdirSync(dirname(join(folder, renamed)), { recursive: true });
    renameSync(join(folder, key), join(folder, renamed));
    return renamed;
  };
  const restore = async (): Promise<Restored> => {
    const report = await restoreTold(place, folder, RESTORE);
    const clock = new TestClock(db.clock.now() + 3_600_000);
    const database = await Database.open({ ...place, clock, postgresClock: clock });
    cleanups.push(() => database.close());
    const { service } = reclaimOn(database, storage, guardOn(database, storage, new TestUptime(clock)));
    const reclaim = async (): Promise<void> => {
      await database.write('guards.beat', (tx) => tx.run('delete from heartbeats'));
      // Sparse ones die, and are deleted when older catalogs do not need them any more.
      for (const days of [2, 4, 4]) {
        clock.advance(days * DAY);
        await database.write('guards.beat', (tx) => tx.run('delete from heartbeats'));
        await service.run({ isDryRun: false, signal: new AbortController().signal });
      }
    };
    const again = new TestServer(database, storage as object as WatchedStorage);
    const reading = IngestBench.on({ ...db, database }, storage as object as MemoryStorage);
    return { report, server: again, bench: reading, reclaim };
  };
  const markAllDamaged = (): Promise<unknown> =>
    db.database.write('chunks.damaged', (tx) => tx.run('update chunks set damaged = 1'));
  const damaged = (from: TestServer): Promise<{ no: number }[]> =>
    from.all('select no from chunks where damaged = 1 order by no');
  const keyOfX = async (from: TestServer): Promise<string | undefined> =>
    (
      await from.get<{ key: string }>('select p.key from chunks c join packs p on p.no = c.pack_no where c.id = ?', [
        x.id,
      ])
    )?.key;

  it('takes the bytes that chunks were healed with whose place went bad after the dump', async () => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    await dump();
    rot(old);
    expect(await readable([x])).toBe(0);
    const healed = await save('/x', [x], 0o600);
    const { report, reclaim, ...restored } = await restore();
    const figures = { isWhole: true, movedChunks: 1, damagedChunks: 0, unusedPacks: 0, lostChunks: 0 };
    expect(report).toMatchObject(figures);
    expect(await keyOfX(restored.server)).toBe(healed);
    await reclaim();
    expect(await packs()).toEqual([healed]);
    expect(await readable([x], restored.bench)).toBe(1);
  });

  it('takes a list from there, too, with all that it names', async () => {
    const chunks = Array.from({ length: 40 }, (_, at) => dataChunk(`large ${at}`));
    await agent.backUp(directory('/'));
    const old = await save('/large', chunks);
    await dump();
    const { content } = contentOf(chunks);
    const list = await server.get<{ at: number }>('select block_offset as at from chunks where id = ?', [content.id]);
    rot(old, flipPayload(list!.at));
    expect((await bench.read(agent.grant.domainNo, [content])).chunks.size).toBe(0);
    await save('/large', chunks, 0o600);
    const { report, reclaim, ...restored } = await restore();
    expect(report).toMatchObject({ isWhole: true, movedChunks: 1, damagedChunks: 0, unusedPacks: 0 });
    await reclaim();
    expect(await readable(chunks, restored.bench)).toBe(chunks.length);
    expect((await restored.bench.read(agent.grant.domainNo, [content])).chunks.size).toBe(1);
    expect(await restored.server.all('select count(*) as refs from list_refs')).toEqual([{ refs: chunks.length }]);
  });

  it('keeps the place that it knows when that is sound, and gives the other back', async () => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    await dump();
    await markAllDamaged();
    await save('/x', [x], 0o600);
    const { report, reclaim, ...restored } = await restore();
    expect(report).toMatchObject({ isWhole: true, movedChunks: 0, damagedChunks: 0, unusedPacks: 1, unknownBlocks: 0 });
    await reclaim();
    expect(await packs()).toEqual([old]);
    expect(await readable([x], restored.bench)).toBe(1);
  });

  it('marks what is bad in both places, and its neighbours, so that agents send them again', async () => {
    await agent.backUp(directory('/'));
    await agent.start();
    // One block.
    await bench.send(agent.grant, blocksOf([x, y]));
    for (const chunk of [x, y]) await agent.send(fileOf(chunk === x ? '/x' : '/y', contentOf([chunk]).content));
    await agent.commit();
    const [old = ''] = await packs();
    await dump();
    rot(old);
    expect(await readable([x])).toBe(0);
    rot(await save('/x', [x], 0o600));
    const { report, reclaim, ...restored } = await restore();
    expect(report).toMatchObject({ isWhole: true, movedChunks: 0, damagedChunks: 2 });
    expect(await damaged(restored.server)).toHaveLength(2);
    await reclaim();
    agent.use(restored.server);
    const { readAgainBase64 } = await agent.start();
    expect(readAgainBase64.map((path) => Buffer.from(path, 'base64').toString()).sort()).toEqual(['/x', '/y']);
    await restored.bench.send(agent.grant, blocksOf([x, y]));
    expect(await readable([x, y], restored.bench)).toBe(2);
  });

  it.each([
    ['first', 'bad'],
    ['last', 'bad'],
    ['first', 'missing'],
    ['last', 'missing'],
  ])('finds the sound one of two found packs when the %s is not, and the known one is %s', async (which, known) => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    await dump();
    rot(old);
    expect(await readable([x])).toBe(0);
    const second = await save('/x', [x], 0o600);
    rot(second);
    expect(await readable([x])).toBe(0);
    const third = await save('/x', [x], 0o640);
    if (known === 'missing') rmSync(join(folder, old));
    rename(second, which === 'first');
    const sound = rename(third, which === 'last');
    const { report, reclaim, ...restored } = await restore();
    expect(report).toMatchObject({ isWhole: true, damagedChunks: 0 });
    expect(await keyOfX(restored.server)).toBe(sound);
    await reclaim();
    expect(await readable([x], restored.bench)).toBe(1);
  });

  it.each(['first', 'last'])(
    'takes over what came after the dump from the sound pack when the %s is not',
    async (which) => {
      const chunks = Array.from({ length: 40 }, (_, at) => dataChunk(`large ${at}`));
      await agent.backUp(directory('/'));
      await dump();
      const bad = await save('/large', chunks);
      rot(bad, (pack) => {
        for (let at = 16; pack.toString('latin1', at, at + 4) === 'HFBK';) {
          const { totalLength } = parseBlockHeader(pack.subarray(at), bad);
          flipPayload(at)(pack);
          at += totalLength;
        }
      });
      const { content } = contentOf(chunks);
      expect(await readable([...chunks, { ...content, bytes: Buffer.alloc(0) }])).toBe(0);
      const sound = rename(await save('/large', chunks, 0o600), which === 'last');
      rename(bad, which === 'first');
      const { report, reclaim, ...restored } = await restore();
      expect(report).toMatchObject({ isWhole: true, adoptedRuns: 2, damagedChunks: 0, lostChunks: 0 });
      await reclaim();
      expect(await packs()).toEqual([sound]);
      expect(await readable(chunks, restored.bench)).toBe(chunks.length);
      expect(await damaged(restored.server)).toEqual([]);
    },
  );

  it('leaves a damaged chunk damaged whose found bytes are bad, too', async () => {
    await agent.backUp(directory('/'));
    rot(await save('/x', [x]));
    expect(await readable([x])).toBe(0);
    await dump();
    rot(await save('/x', [x], 0o600));
    const { report, ...restored } = await restore();
    expect(report).toMatchObject({ isWhole: true, movedChunks: 0 });
    expect(await damaged(restored.server)).toHaveLength(1);
  });

  it('heals a damaged list, and brings the chunks back that it names and that are gone', async () => {
    const chunks = Array.from({ length: 40 }, (_, at) => dataChunk(`large ${at}`));
    await agent.backUp(directory('/'));
    await save('/large', chunks);
    const { content } = contentOf(chunks);
    await db.database.write('chunks.damaged', async (tx) => {
      await tx.run('update chunks set damaged = 1 where id = ?', [content.id]);
      await tx.run('delete from chunks where id = ?', [chunks[0]!.id]);
    });
    await dump();
    // As an agent that found nothing changed: no version names the content anew.
    await agent.start();
    await bench.send(agent.grant, contentOf(chunks).blocks);
    await agent.commit();
    const { report, reclaim, ...restored } = await restore();
    expect(report).toMatchObject({ isWhole: true, lostChunks: 0, unusedPacks: 0 });
    expect(await damaged(restored.server)).toEqual([]);
    await reclaim();
    expect(await readable(chunks, restored.bench)).toBe(chunks.length);
    expect(await restored.server.all('select count(*) as refs from list_refs')).toEqual([{ refs: chunks.length }]);
  });

  it('concludes nothing from a block of a format that it does not know, and keeps the other copy', async () => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    await dump();
    await markAllDamaged();
    const copy = await save('/x', [x], 0o600);
    rot(old, (pack) => {
      const { headerLength } = parseBlockHeader(pack.subarray(16), old);
      pack[16 + 4] = 2;
      const crcOffset = 16 + headerLength - 4;
      pack.writeUInt32LE(crc32(pack.subarray(16, crcOffset)), crcOffset);
    });
    const { report, reclaim, ...restored } = await restore();
    expect(report).toMatchObject({ isWhole: true, movedChunks: 0, damagedChunks: 0, unknownBlocks: 1 });
    expect(await keyOfX(restored.server)).toBe(old);
    await reclaim();
    expect(await packs()).toContain(copy);
  });

  it('fails while storage does not answer, and goes on afterwards', async () => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    await dump();
    rot(old);
    expect(await readable([x])).toBe(0);
    const healed = await save('/x', [x], 0o600);
    const get = storage.get.bind(storage);
    const failing = [
      jest.spyOn(LocalDiskStorage.prototype, 'get').mockImplementation((key, range) => {
        if (key === old) throw new DomainError('storage-unavailable', 'no answer');
        return get(key, range);
      }),
      jest.spyOn(LocalDiskStorage.prototype, 'stat').mockImplementation(() => {
        throw new DomainError('storage-unavailable', 'no answer for its name either');
      }),
    ];
    await expect(restore()).rejects.toThrow('no answer for its name either');
    for (const mock of failing) mock.mockRestore();
    const { report, ...restored } = await restore();
    expect(report).toMatchObject({ isWhole: true, movedChunks: 1, damagedChunks: 0, unusedPacks: 0 });
    expect(await keyOfX(restored.server)).toBe(healed);
  });

  it.each(['the known', 'the found'])(
    'deletes nothing when storage answers and does not give %s bytes',
    async (which) => {
      await agent.backUp(directory('/'));
      const old = await save('/x', [x]);
      if (which === 'the found') await markAllDamaged();
      await dump();
      if (which === 'the known') await markAllDamaged();
      const copy = await save('/x', [x], 0o600);
      const get = storage.get.bind(storage);
      // Headers are read in any case; a bad sector is somewhere behind them.
      const refused = which === 'the known' ? old : copy;
      let isIndexed = false;
      jest.spyOn(LocalDiskStorage.prototype, 'get').mockImplementation((key, range) => {
        if (key === refused && (range?.offset ?? 0) >= 16 && (which === 'the known' || isIndexed))
          throw new DomainError('storage-unavailable', 'EIO');
        if (key === refused && range?.offset === 16) isIndexed = true;
        return get(key, range);
      });
      const { report, reclaim, ...restored } = await restore();
      jest.restoreAllMocks();
      expect(report).toMatchObject({
        isWhole: true,
        movedChunks: 0,
        damagedChunks: 0,
        unreadBlocks: 1,
        unusedPacks: which === 'the known' ? 1 : 0,
      });
      // The run that sent it again names it: then it is in use, and scrub tells that it cannot be read.
      expect(await keyOfX(restored.server)).toBe(refused);
      expect(await damaged(restored.server)).toEqual([]);
      await reclaim();
      expect(await packs()).toContain(copy);
    },
  );

  it('believes a second look at bytes that were bad once', async () => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    await dump();
    await markAllDamaged();
    await save('/x', [x], 0o600);
    const get = storage.get.bind(storage);
    let looks = 0;
    jest.spyOn(LocalDiskStorage.prototype, 'get').mockImplementation(async (key, range) => {
      const bytes = await get(key, range);
      if (key === old && (looks += 1) === 1) flipPayload(0)(bytes);
      return bytes;
    });
    const { report, ...restored } = await restore();
    expect(looks).toBe(2);
    expect(report).toMatchObject({ movedChunks: 0, damagedChunks: 0 });
    expect(await keyOfX(restored.server)).toBe(old);
  });

  it('points nothing at a found pack that went while it was cut off', async () => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    await dump();
    await markAllDamaged();
    const copy = await save('/x', [x], 0o600);
    rmSync(join(folder, old));
    const cut = jest.spyOn(TaskAdoption.prototype, 'run').mockRejectedValue(new Error('cut off'));
    await expect(restore()).rejects.toThrow('cut off');
    cut.mockRestore();
    rmSync(join(folder, copy));
    const { report, ...restored } = await restore();
    expect(report).toMatchObject({ isWhole: true, damagedChunks: 1 });
    expect(await damaged(restored.server)).toHaveLength(1);
  });

  it('knows by their headers the blocks of a found pack whose footer is bad', async () => {
    await agent.backUp(directory('/'));
    await dump();
    await agent.start();
    const lost = dataChunk('lost');
    await bench.send(
      agent.grant,
      [x, lost, y].flatMap((chunk) => blocksOf([chunk])),
    );
    for (const [name, chunk] of Object.entries({ '/x': x, '/lost': lost, '/y': y }))
      await agent.send(fileOf(name, contentOf([chunk]).content));
    await agent.commit();
    const [pack = ''] = await packs();
    const second = await server.get<{ at: number }>('select block_offset as at from chunks where id = ?', [lost.id]);
    rot(pack, (bytes) => {
      bytes[bytes.length - 20]! ^= 1;
      bytes[second!.at + 60]! ^= 1;
    });
    const { report, reclaim, ...restored } = await restore();
    const found = { foundPacks: 1, unreadablePacks: 0, badFooters: 1, badBlocks: 1, lostChunks: 1 };
    expect(report).toMatchObject({ isWhole: true, adoptedRuns: 1, ...found });
    expect(await restored.server.all('select fault from packs')).toEqual([
      { fault: 'when it was found, 1 of its blocks had a bad header' },
    ]);
    await reclaim();
    expect(await readable([x, lost, y], restored.bench)).toBe(2);
  });

  it('never deletes an unused pack of which it does not know all that lies in it', async () => {
    await agent.backUp(directory('/'), file('/a'));
    await dump();
    await agent.start();
    // Sent by a run that did not end.
    await bench.send(agent.grant, [...blocksOf([x]), ...blocksOf([y])]);
    const [pack = ''] = await packs();
    await bench.send(agent.grant, blocksOf([dataChunk('whole')]));
    const [whole = ''] = (await packs()).filter((key) => key !== pack);
    rot(pack, (bytes) => {
      bytes[16 + 60]! ^= 1;
    });
    const { report, reclaim } = await restore();
    expect(report).toMatchObject({ isWhole: true, foundPacks: 2, badFooters: 0, badBlocks: 1, unusedPacks: 2 });
    await reclaim();
    expect(await packs()).toEqual([pack]);
    expect(whole).not.toBe('');
  });

  it('never deletes a pack that it cannot read, one of an upload that was under way neither', async () => {
    await agent.backUp(directory('/'), file('/a'));
    const { content, blocks } = contentOf([x]);
    await agent.start();
    await bench.send(agent.grant, blocks);
    const [pack = ''] = await packs();
    await db.database.write('packs.uploading', (tx) => tx.run(`update packs set state = 'uploading', length = 0`));
    await db.database.write('chunks.damaged', (tx) => tx.run('delete from chunks'));
    await dump();
    await agent.send(file('/b'));
    rot(pack, (bytes) => bytes.fill(0, 0, 4));
    const { report, reclaim } = await restore();
    expect(report).toMatchObject({ isWhole: true, foundPacks: 0, unreadablePacks: 1 });
    await reclaim();
    expect(await packs()).toEqual([pack]);
    expect(content.size).toBe(x.bytes.length);
  });

  const placesOfX = (from: TestServer): Promise<{ key: string; damaged: number }[]> =>
    from.all(
      'select p.key, c.damaged from chunks c join packs p on p.no = c.pack_no where c.id = ? order by c.domain_no',
      [x.id],
    );

  it('takes what another domain still has whole where the found bytes are bad', async () => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    const other = await server.agent(2, await bench.newDomain());
    await other.backUp(directory('/'));
    await dump();
    // As if a look at them had failed once: those of the other domain are stored anew.
    await markAllDamaged();
    const before = new Set(await packs());
    await other.start();
    await bench.send(other.grant, contentOf([x]).blocks);
    await other.send(fileOf('/x', contentOf([x]).content));
    await other.commit();
    const [anew = ''] = (await packs()).filter((key) => !before.has(key));
    expect(anew).not.toBe('');
    rot(anew);
    const { report, reclaim, ...restored } = await restore();
    expect(await placesOfX(restored.server)).toEqual([
      { key: old, damaged: 0 },
      { key: old, damaged: 0 },
    ]);
    expect(report).toMatchObject({ isWhole: true, adoptedRuns: 1, movedChunks: 1, damagedChunks: 0, lostChunks: 0 });
    await reclaim();
    expect(await packs()).toEqual([old]);
    expect((await restored.bench.read(other.grant.domainNo, [x])).chunks.size).toBe(1);
  });

  it('marks the rows of all domains that point at bytes which it saw are bad', async () => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    const other = await server.agent(2, await bench.newDomain());
    await other.backUp(directory('/'));
    await dump();
    rot(old);
    expect(await readable([x])).toBe(0);
    const before = new Set(await packs());
    await other.start();
    await bench.send(other.grant, contentOf([x]).blocks);
    await other.send(fileOf('/x', contentOf([x]).content));
    await other.commit();
    const [anew = ''] = (await packs()).filter((key) => !before.has(key));
    rot(anew);
    const { report, ...restored } = await restore();
    expect(await placesOfX(restored.server)).toEqual([
      { key: old, damaged: 1 },
      { key: anew, damaged: 1 },
    ]);
    expect(report).toMatchObject({ isWhole: true, adoptedRuns: 1, movedChunks: 0, damagedChunks: 2 });
  });

  it('marks those, too, that a lost pack left to them', async () => {
    await agent.backUp(directory('/'));
    const old = await save('/x', [x]);
    const other = await server.agent(2, await bench.newDomain());
    await other.backUp(directory('/'));
    await markAllDamaged();
    const known = new Set(await packs());
    await other.start();
    await bench.send(other.grant, contentOf([x]).blocks);
    await other.send(fileOf('/x', contentOf([x]).content));
    await other.commit();
    const [second = ''] = (await packs()).filter((key) => !known.has(key));
    await dump();
    await markAllDamaged();
    const anew = await save('/x', [x], 0o600);
    rot(old);
    rot(anew);
    rmSync(join(folder, second));
    const { report, ...restored } = await restore();
    expect(await placesOfX(restored.server)).toEqual([
      { key: old, damaged: 1 },
      { key: anew, damaged: 1 },
    ]);
    expect(report).toMatchObject({ isWhole: true, damagedChunks: 1 });
  });
});

/** Of the block that begins there. */
function flipPayload(at: number): (bytes: Buffer) => void {
  return (bytes) => {
    const { headerLength } = parseBlockHeader(bytes.subarray(at), 'a block');
    bytes[at + headerLength]! ^= 1;
  };
}
