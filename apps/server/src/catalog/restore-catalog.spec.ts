import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import {
  type ContentRef,
  encodeRemovalHeader,
  encodeRemovedVersion,
  type PlainChunk,
  RecordStreamEncoder,
  removalKey,
  type RemovedVersion,
} from '#engine';
import { ChunksRepository } from '../backups/chunks.repository';
import { blocksOf, dataChunk, IngestBench, listsOver, sized } from '../backups/ingest.testing';
import {
  close,
  codeOf,
  directory,
  file,
  fileOf,
  type TestAgent,
  TestServer,
  type WatchedStorage,
} from '../backups/runs.testing';
import { ConfigExport } from '../config-export/config-export.service';
import { ConfigExportsRepository } from '../config-export/config-exports.repository';
import { ConfigRowsRepository } from '../config-export/config-rows.repository';
import { Database } from '../database/database';
import { eachDatabase, TestClock, type TestDatabase } from '../database/testing';
import { guardOn } from '../guards/guards.testing';
import { ForgetRepository } from '../retention/forget.repository';
import { LocalDiskStorage } from '../storage/local-disk.storage';
import type { MemoryStorage } from '../storage/memory.storage';
import { RepositoryIdentity } from '../storage/repository-identity';
import type { PersonIdentity } from '../users/person-identity';
import { ADOPT, dumpCatalog, emptyPlace, type Place, RESTORE, restoreTold } from './catalog.testing';
import { RestoreMarkRepository } from './restore-mark.repository';

const ADMIN = { userId: randomUUID(), username: 'root', address: null } as unknown as PersonIdentity;
const DAY = 24 * 3_600_000;

eachDatabase('a catalog that is restored from a dump', (open, source) => {
  let db: TestDatabase;
  let folder: string;
  let storage: LocalDiskStorage;
  let server: TestServer;
  let bench: IngestBench;
  let agent: TestAgent;
  const cleanups: (() => Promise<void> | void)[] = [];
  beforeEach(async () => {
    Logger.overrideLogger(false);
    db = await open();
    folder = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
    cleanups.push(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    storage = await LocalDiskStorage.open(folder);
    await new RepositoryIdentity(db.database, storage).verify();
    server = new TestServer(db.database, storage as object as WatchedStorage);
    bench = IngestBench.on(db, storage as object as MemoryStorage);
    const domainNo = await bench.newDomain();
    agent = await server.agent(1, domainNo);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const upload = async (chunks: PlainChunk[]): Promise<ContentRef> => {
    const lists = listsOver(sized(chunks));
    const blocks = [...blocksOf(chunks), ...blocksOf(lists.map((list) => ({ ...list, bytes: list.bytes })))];
    await bench.send(agent.grant, blocks);
    const size = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const top = lists.at(-1);
    return top === undefined ? { ...chunks[0]!, size } : { id: top.id, height: top.height, size };
  };
  const many = (name: string, length = 40): PlainChunk[] =>
    Array.from({ length }, (_, at) => dataChunk(`${name} ${at}`));
  const dump = (): Promise<void> => dumpCatalog(db, storage, folder);
  const exportConfig = (): Promise<void> => {
    const rows = [new ConfigRowsRepository(), new ConfigExportsRepository()] as const;
    return new ConfigExport(db.database, storage, ...rows, new RepositoryIdentity(db.database, storage)).settle();
  };
  const keysOf = async (prefix: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of storage.list(prefix)) keys.push(key);
    return keys;
  };
  /** The report, and the database. */
  const restore = async (place: Place): Promise<{ report: object; restored: Database }> => {
    const report = await told(place, RESTORE);
    const clock = new TestClock();
    clock.advance(DAY);
    const restored = await Database.open({ ...place, clock });
    cleanups.push(() => restored.close());
    return { report, restored };
  };
  const told = (place: Place, words: typeof RESTORE | typeof ADOPT): Promise<object> =>
    restoreTold(place, folder, words);
  /** What retention leaves in storage of versions that it took. */
  const recordRemoval = async (...versions: RemovedVersion[]): Promise<void> => {
    const [removalId, number] = [randomUUID(), 1];
    const encoder = new RecordStreamEncoder('removal');
    const header = { removalId, taskId: agent.taskId, number, decidedMs: db.clock.now(), cause: 'policy' } as const;
    const records = [encodeRemovalHeader(header), ...versions.map((version) => encodeRemovedVersion(version))];
    const parts = records.map((record) => encoder.add(record) ?? Buffer.alloc(0));
    const bytes = Buffer.concat([...parts, encoder.finish()]);
    await storage.put(removalKey(agent.taskId, number, removalId), { bytes });
  };
  const forget = async (name: string): Promise<void> => {
    const { taskNo } = agent.grant;
    const { service, rules } = server.retention;
    await service.whileHeld(taskNo, async (hold) => {
      const paths = await server.all<{ no: number }>('select no from paths where name = ?', [Buffer.from(name)]);
      await service.plan(hold, { cause: 'forget', requestedBy: null, note: null }, async (tx, removalNo) => {
        const { bounds } = (await rules.load(tx, taskNo))!;
        const nos = paths.map(({ no }) => no);
        return new ForgetRepository().doom(tx, nos, { taskNo, removalNo, ...bounds });
      });
      await service.complete(hold);
    });
  };
  const rowsOf = (database: Database, table: string): Promise<string[]> =>
    database.read(async (sql) =>
      (await sql.all<object>(`select * from ${table}`)).map((row) => JSON.stringify(Object.entries(row).sort())).sort(),
    );

  it.each(['sqlite', 'postgres'])('has on %s every row of the dump, and gives no number twice', async (dialect) => {
    await agent.start();
    const content = await upload(many('first'));
    await agent.send(directory('/'), fileOf('/a', content));
    await agent.commit();
    await dump();
    const { report, restored } = await restore(await emptyPlace(dialect, folder, cleanups));
    expect(report).toMatchObject({ isWhole: true, adoptedRuns: 0, foundPacks: 0, heldTasks: [] });
    const tables = ['users', 'runs', 'paths', 'file_versions', 'chunks', 'list_refs', 'packs'];
    for (const table of tables)
      expect([table, await rowsOf(restored, table)]).toEqual([table, await rowsOf(db.database, table)]);
    const next = await restored.write('users.create', (tx) =>
      tx.get<{ no: number }>(`insert into packs (key, state, task_no, run_number, created_at, changed_at)
        values ('x', 'dead', 1, 1, 0, 0) returning no`),
    );
    const newest = await server.get<{ no: number }>('select max(no) as no from packs');
    expect(next?.no).toBeGreaterThan(newest!.no);
  });

  it.each(['sqlite', 'postgres'])('takes over on %s what storage knows beyond it', async (dialect) => {
    await agent.start();
    const first = await upload(many('first'));
    await agent.send(directory('/'), fileOf('/a', first), fileOf('/goes', first));
    await agent.commit();
    // A run that is on while the dump is made, and committed later; its agent is of the version before.
    await agent.start({ chunkerId: 'fastcdc-v1' });
    await agent.send(fileOf('/b', await upload(many('second'))));
    await dump();
    await agent.send(fileOf('/c', await upload([dataChunk('alone')])), close('/goes'));
    const { runId } = await agent.commit();
    await agent.backUp(directory('/d'));
    const { report, restored } = await restore(await emptyPlace(dialect, folder, cleanups));
    expect(report).toMatchObject({ isWhole: true, adoptedRuns: 2, heldTasks: [], damagedChunks: 0, missingPacks: 0 });
    const again = new TestServer(restored, storage as object as WatchedStorage);
    const shown = await server.shown(agent, runId);
    expect(shown).toHaveLength(4);
    expect(await again.shown(agent, runId)).toEqual(shown);
    const sums = 'select domain_no, count(*) as chunks, sum(stored_length) as bytes from chunks group by domain_no';
    expect(await again.all(sums)).toEqual(await server.all(sums));
    const counters = 'select no, stored_bytes from domains';
    expect(await again.all(counters)).toEqual(await server.all(counters));
    const chunkers = 'select number, chunker from runs order by number';
    expect(await again.all(chunkers)).toEqual(await server.all(chunkers));
    const refs = 'select count(*) as refs from list_refs';
    expect(await again.all(refs)).toEqual(await server.all(refs));
    expect(await again.get('select count(*) as packs from packs where state <> ?', ['live'])).toEqual({ packs: 0 });
    // The task goes on from there.
    agent.use(again);
    expect(await agent.backUp(directory('/e'))).toMatchObject({ state: 'succeeded' });
  });

  it.each(['sqlite', 'postgres'])(
    'takes nothing on %s for removal records of another line of runs, which can be given up',
    async (dialect) => {
      await agent.backUp(directory('/'), file('/p'), file('/q'));
      await dump();
      const place = await emptyPlace(dialect, folder, cleanups);
      const { restored } = await restore(place);
      // The lost line goes on after the dump, and retention takes a version of it.
      for (const mode of [0o600, 0o611]) await agent.backUp(file('/p', mode), file('/q', mode));
      const lost = { firstRun: 2, lastRun: 3, joinsRun: null };
      await recordRemoval(...['/p', '/q'].map((path) => ({ path: Buffer.from(path), ...lost })));
      // The database that was put back goes on by itself, with the same numbers.
      const again = new TestServer(restored, storage as object as WatchedStorage);
      agent.use(again);
      const own = await agent.backUp(file('/p', 0o640), file('/q', 0o640));
      await agent.backUp(file('/p', 0o644));
      expect(agent.run.number).toBe(3);
      const shown = await again.shown(agent, own.runId);
      const versions = await rowsOf(restored, 'file_versions');

      const heldTasks = [{ task: agent.taskId, reason: 'the database went on by itself with newer runs' }];
      expect(await told(place, ADOPT)).toMatchObject({ isWhole: false, appliedRemovals: 0, heldTasks });
      expect(await rowsOf(restored, 'file_versions')).toEqual(versions);
      expect(await again.shown(agent, own.runId)).toEqual(shown);

      const guard = guardOn(restored, storage);
      expect(await codeOf(guard.assertSafe())).toBe('deletion-stopped');
      const stop = (await guard.state()).find(({ kind }) => kind === 'storage-ahead');
      await guard.acknowledge(ADMIN, 'storage-ahead', stop!.state);
      // Whoever takes over once more finds no more to do, and what was given up stays so.
      const after = { isWhole: true, appliedRemovals: 0, adoptedRuns: 0, heldTasks: [] };
      expect(await told(place, ADOPT)).toMatchObject(after);
      expect(await rowsOf(restored, 'file_versions')).toEqual(versions);
      expect((await agent.start()).number).toBe(4);
    },
  );

  it('takes a run over that a server was kept from undoing, and lets its task go on', async () => {
    await agent.backUp(directory('/'));
    await agent.start();
    await agent.send(fileOf('/a', await upload(many('first'))));
    await dump();
    const { runId } = await agent.commit();
    const shown = await server.shown(agent, runId);
    const place = await emptyPlace(source, folder, cleanups);
    const { restored } = await restore(place);
    // As if the same had come back from a standby: the row says that the run goes on.
    await restored.write('settings.set', async (tx) => {
      await tx.run(`update runs set state = 'running', outcome = null, stamp = null, ended_at = null where id = ?`, [
        runId,
      ]);
      await tx.run('update tasks set head_run = 1, last_stamp = (select max(stamp) from runs where number = 1)');
    });
    const again = new TestServer(restored, storage as object as WatchedStorage);
    agent.use(again);
    await again.undos.closeExpired();
    await again.undos.idle();
    expect(await codeOf(agent.start())).toBe('task-not-adopted');
    expect(await told(place, ADOPT)).toMatchObject({ isWhole: true, adoptedRuns: 1, heldTasks: [] });
    expect(await again.shown(agent, runId)).toEqual(shown);
    const guard = guardOn(restored, storage);
    await codeOf(guard.assertSafe());
    expect((await guard.state()).map(({ kind }) => kind)).not.toContain('storage-ahead');
    expect((await agent.start()).number).toBe(3);
  });

  it('keeps what was forgotten while a clock was ahead, and saved again when it had been put right', async () => {
    await agent.backUp(directory('/'), file('/secret', 0o600));
    await dump();
    db.clock.advance(30_000);
    await forget('secret');
    const [removal] = await server.all<{ decidedMs: number }>('select created_at as "decidedMs" from removals');
    db.clock.advance(-25_000);
    const { runId } = await agent.backUp(file('/secret', 0o600));
    const shown = await server.shown(agent, runId);
    expect(shown).toEqual(['/ dir', '/secret 600']);
    const place = await emptyPlace(source, folder, cleanups);
    const { report, restored } = await restore(place);
    expect(report).toMatchObject({ isWhole: true, adoptedRuns: 1, appliedRemovals: 1 });
    const again = new TestServer(restored, storage as object as WatchedStorage);
    expect(await again.shown(agent, runId)).toEqual(shown);
    // The removal alone, of which no run came after: the next one is stamped above it there, too.
    for (const key of await keysOf(`tasks/${agent.taskId}/run-2-`)) await storage.delete(key);
    const alone = await restore(await emptyPlace(source, mkdtempSync(join(folder, 'other-')), cleanups));
    const stamp = await alone.restored.read((sql) => sql.get('select last_stamp as "decidedMs" from tasks'));
    expect(stamp).toEqual(removal);
  });

  it('forgets again what was forgotten after a run that a clock ahead of its time had stamped', async () => {
    await agent.backUp(directory('/'), file('/secret', 0o600));
    await dump();
    db.clock.advance(30_000);
    const { runId } = await agent.backUp(file('/secret', 0o611)).then(() => agent.run);
    db.clock.advance(-25_000);
    await forget('secret');
    expect(await server.shown(agent, runId)).toEqual(['/ dir']);
    const { report, restored } = await restore(await emptyPlace(source, folder, cleanups));
    expect(report).toMatchObject({ isWhole: true, adoptedRuns: 1, appliedRemovals: 1 });
    const again = new TestServer(restored, storage as object as WatchedStorage);
    expect(await again.shown(agent, runId)).toEqual(['/ dir']);
  });

  it.each(['sqlite', 'postgres'])('keeps on %s the pins of a run until it can be taken over', async (dialect) => {
    await agent.backUp(directory('/'));
    await dump();
    await agent.start();
    await agent.send(fileOf('/a', await upload(many('first'))));
    await agent.commit();
    await db.database.write('retention.pin', (tx) =>
      tx.run(
        `insert into pins (id, task_no, run_number, kind, holder, note, created_at)
         select ?, no, head_run, 'pin', ?, 'for good', 1 from tasks where id = ?`,
        [randomUUID(), randomUUID(), agent.taskId],
      ),
    );
    await exportConfig();
    const manifest = (await keysOf(`tasks/${agent.taskId}/run-`)).find((key) => key.includes(agent.run.runId)) ?? '';
    const whole = readFileSync(join(folder, manifest));
    truncateSync(join(folder, manifest), 40);
    const place = await emptyPlace(dialect, folder, cleanups);
    const { report, restored } = await restore(place);
    expect(report).toMatchObject({ isWhole: false, adoptedRuns: 0, configRows: 4 });
    expect(await rowsOf(restored, 'pins')).toEqual([]);
    writeFileSync(join(folder, manifest), whole);
    expect(await told(place, ADOPT)).toMatchObject({ isWhole: true, adoptedRuns: 1, configRows: null });
    const pins = `select p.id, p.note, r.id as "runId" from pins p
      join runs r on r.task_no = p.task_no and r.number = p.run_number`;
    const again = new TestServer(restored, storage as object as WatchedStorage);
    expect(await again.all(pins)).toEqual(await server.all(pins));
    expect(await again.all(pins)).toHaveLength(1);
    expect(await again.all(`select name from settings where name = 'pins_to_come'`)).toEqual([]);
  });

  it('changes nothing when the newest config export is damaged, and takes none before it unasked', async () => {
    await exportConfig();
    const rename = (name: string): Promise<unknown> =>
      db.database.write('users.create', (tx) => tx.run('update users set username = ?', [name]));
    await rename('revoked');
    await exportConfig();
    // An older copy of the database.
    await rename('older');
    await db.database.write('settings.set', (tx) => tx.run(`delete from settings where name = 'config_export'`));
    const damaged = (await keysOf('config/')).at(-1) ?? '';
    truncateSync(join(folder, damaged), 40);
    const before = await rowsOf(db.database, 'users');
    await expect(told(db.location, ADOPT)).rejects.toThrow(damaged);
    expect(await rowsOf(db.database, 'users')).toEqual(before);
    expect(await db.database.read((sql) => new RestoreMarkRepository().load(sql))).toBeNull();
    rmSync(join(folder, damaged));
    await told(db.location, ADOPT);
    expect(await server.all('select username from users')).toEqual([{ username: 'owner' }]);
  });

  it.each(['sqlite', 'postgres'])('finds on %s the bytes that damaged chunks were healed with', async (dialect) => {
    const chunks = many('first');
    await agent.start();
    await agent.send(directory('/'), fileOf('/a', await upload(chunks)));
    await agent.commit();
    await db.database.write('chunks.damaged', (tx) => tx.run('update chunks set damaged = 1'));
    await dump();
    await agent.start();
    await upload(chunks);
    const places = 'select no, pack_no, block_offset, chunk_offset, damaged from chunks order by no';
    const healed = await server.all<{ damaged: number; pack_no: number }>(places);
    expect(healed.filter(({ damaged, pack_no }) => damaged === 1 || pack_no === 1)).toEqual([]);
    const { report, restored } = await restore(await emptyPlace(dialect, folder, cleanups));
    expect(report).toMatchObject({ isWhole: true, movedChunks: healed.length, damagedChunks: 0, unusedPacks: 0 });
    expect(await new TestServer(restored, storage as object as WatchedStorage).all(places)).toEqual(healed);
  });

  describe('when packs are lost', () => {
    const places = 'select id, height, damaged from chunks order by height, id';
    const refs = 'select count(*) as refs from list_refs';

    it.each(['sqlite', 'postgres'])(
      'takes runs over on %s all the same, and is healed by the next',
      async (dialect) => {
        const [first, second, alone] = [many('first'), many('second'), [dataChunk('alone')]];
        await agent.start();
        const content = await upload(first);
        await agent.send(directory('/'), fileOf('/a', content));
        await agent.commit();
        await dump();
        await agent.start();
        await agent.send(
          fileOf('/a', content, 0o600),
          fileOf('/b', await upload(second)),
          fileOf('/c', await upload(alone)),
        );
        await agent.commit();
        const { runId } = await agent.backUp(file('/d'));
        const shown = await server.shown(agent, runId);
        for (const key of await keysOf('packs/')) rmSync(join(folder, key));
        const { report, restored } = await restore(await emptyPlace(dialect, folder, cleanups));
        // Of the second content nobody knows more than its list.
        const lost = { damagedChunks: first.length + 1, lostChunks: 2 };
        expect(report).toMatchObject({ isWhole: true, adoptedRuns: 2, heldTasks: [], missingPacks: 1, ...lost });
        const again = new TestServer(restored, storage as object as WatchedStorage);
        expect(await again.shown(agent, runId)).toEqual(shown);
        agent.use(again);
        const { readAgainBase64 } = await agent.start();
        const paths = readAgainBase64.map((path) => Buffer.from(path, 'base64').toString());
        expect(paths.sort()).toEqual(['/a', '/b', '/c']);
        bench = IngestBench.on({ ...db, database: restored }, storage as object as MemoryStorage);
        for (const chunks of [first, second, alone]) await upload(chunks);
        expect(await again.all(places)).toEqual(await server.all(places));
        expect(await again.all(refs)).toEqual(await server.all(refs));
        expect((await bench.read(agent.grant.domainNo, [...second, ...alone])).chunks.size).toBe(second.length + 1);
      },
    );

    it.each(['sqlite', 'postgres'])('has on %s what a lost list names when it is put back', async (dialect) => {
      const chunks = many('first');
      await agent.backUp(directory('/'));
      await dump();
      await agent.start();
      await bench.send(agent.grant, blocksOf(chunks));
      const [data = ''] = await keysOf('packs/');
      const content = await upload(chunks);
      await agent.send(fileOf('/a', content));
      await agent.commit();
      const lists = (await keysOf('packs/')).find((key) => key !== data) ?? '';
      renameSync(join(folder, lists), join(folder, 'aside'));
      const place = await emptyPlace(dialect, folder, cleanups);
      const { report, restored } = await restore(place);
      expect(report).toMatchObject({ isWhole: true, adoptedRuns: 1, lostChunks: 1, unusedPacks: 1 });
      const again = new TestServer(restored, storage as object as WatchedStorage);
      // Nobody knows that the list names what lies there: no pass of reclaim may take it.
      expect(await again.all('select key from packs')).toEqual([]);
      renameSync(join(folder, 'aside'), join(folder, lists));
      expect(await told(place, ADOPT)).toMatchObject({ isWhole: true, adoptedRuns: 0, lostChunks: 0, unusedPacks: 0 });
      expect(await again.all(places)).toEqual(await server.all(places));
      expect(await again.all(refs)).toEqual(await server.all(refs));
    });

    it.each(['sqlite', 'postgres'])(
      'misses on %s one block only of a found pack that has a bad one',
      async (dialect) => {
        await agent.backUp(directory('/'));
        await dump();
        await agent.start();
        const [x, y] = [dataChunk('x'), dataChunk('y')];
        await bench.send(agent.grant, [...blocksOf([x]), ...blocksOf([y])]);
        for (const [name, { id, bytes }] of Object.entries({ '/x': x, '/y': y }))
          await agent.send(fileOf(name, { id, height: 0, size: bytes.length }));
        await agent.commit();
        const [pack = ''] = await keysOf('packs/');
        const second = await server.get<{ at: number }>('select max(block_offset) as at from chunks');
        const bytes = readFileSync(join(folder, pack));
        bytes[second!.at + 60]! ^= 1;
        writeFileSync(join(folder, pack), bytes);
        const { report, restored } = await restore(await emptyPlace(dialect, folder, cleanups));
        const found = { foundPacks: 1, unreadablePacks: 0, badBlocks: 1, lostChunks: 1 };
        expect(report).toMatchObject({ isWhole: true, adoptedRuns: 1, ...found });
        bench = IngestBench.on({ ...db, database: restored }, storage as object as MemoryStorage);
        expect((await bench.read(agent.grant.domainNo, [x, y])).chunks.size).toBe(1);
      },
    );
  });

  it.each(['sqlite', 'postgres'])('gives on %s nobody a domain that somebody else has here', async (dialect) => {
    const newUser = (database: Database, name: string): Promise<void> =>
      database.write('users.create', async (tx) => {
        for (const table of ['users', 'clients'] as const) await tx.raiseLastNo(table, 1);
        const domain = await tx.get<{ no: number }>('insert into domains (created_at) values (0) returning no');
        const user = await tx.get<{ no: number }>(
          `insert into users (id, username, password_hash, role, domain_no, state, created_at)
           values (?, ?, '', 'user', ?, 'active', 0) returning no`,
          [randomUUID(), name, domain!.no],
        );
        await tx.run(
          `insert into clients (id, owner_no, domain_no, name, secret_hash, state, created_at)
           values (?, ?, ?, ?, ?, 'active', 0)`,
          [randomUUID(), user!.no, domain!.no, `pc of ${name}`, Buffer.alloc(32, name)],
        );
      });
    const domains = async (database: Database): Promise<Record<string, number>> => {
      const rows = await database.read((sql) =>
        sql.all<{ name: string; no: number }>(
          'select username as name, domain_no as no from users union all select name, domain_no from clients',
        ),
      );
      return Object.fromEntries(rows.map(({ name, no }) => [name, no]));
    };
    await dump();
    const place = await emptyPlace(dialect, folder, cleanups);
    const { restored } = await restore(place);
    await newUser(db.database, 'eve');
    await exportConfig();
    await newUser(restored, 'bob');
    const [there, before] = [await domains(db.database), await domains(restored)];
    expect(before.bob).toBe(there.eve);
    await told(place, ADOPT);
    const after = await domains(restored);
    expect(after).toEqual({ ...before, eve: after.eve, 'pc of eve': after.eve });
    expect(Object.values(before)).not.toContain(after.eve);
    expect(Object.keys(after)).toContain('eve');
  });

  // Long: once is enough.
  if (source === 'postgres') return;

  it('takes a content of many lists over in parts, and goes on after one that failed', async () => {
    await agent.backUp(directory('/'));
    await dump();
    await agent.start();
    await agent.send(fileOf('/large', await upload(many('large', 12_000))));
    const { runId } = await agent.commit();
    const place = await emptyPlace('sqlite', folder, cleanups);
    const insert = jest.spyOn(ChunksRepository.prototype, 'insertChunks');
    const written = (): number[] => insert.mock.calls.map(([, , { length }]) => length);
    const get = storage.get.bind(storage);
    // Between two parts, when lists are read again.
    const failing = jest.spyOn(LocalDiskStorage.prototype, 'get').mockImplementation((...all) => {
      if (insert.mock.calls.length >= 5) throw new Error('cut off');
      return get(...all);
    });
    await expect(told(place, RESTORE)).rejects.toThrow('cut off');
    failing.mockRestore();
    expect(await told(place, RESTORE)).toMatchObject({ isWhole: true, adoptedRuns: 1 });
    expect(Math.max(...written())).toBeLessThan(11_000);
    // What was there is not written again.
    const { chunks } = (await server.get<{ chunks: number }>('select count(*) as chunks from chunks'))!;
    expect(written().reduce((sum, length) => sum + length, 0)).toBe(chunks);
    const restored = await Database.open({ ...place, clock: new TestClock() });
    cleanups.push(() => restored.close());
    const again = new TestServer(restored, storage as object as WatchedStorage);
    expect(await again.shown(agent, runId)).toEqual(await server.shown(agent, runId));
    for (const sums of [
      'select height, count(*) as chunks, sum(stored_length) as bytes from chunks group by height order by height',
      'select count(*) as refs from list_refs',
      'select no, stored_bytes from domains',
    ])
      expect(await again.all(sums)).toEqual(await server.all(sums));
  }, 300_000);
});
