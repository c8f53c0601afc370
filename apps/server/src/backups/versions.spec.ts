import fc from 'fast-check';
import { decodeEntry, decodeRecords, decodeVersionRecord } from '#engine';
import type { Column, Value } from '../database/sql';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { close, codeOf, directory, file, type TestAgent, TestServer, WatchedStorage } from './runs.testing';
import { TasksRepository } from './tasks.repository';
import { VERSIONS_PAGE, VersionsRepository } from './versions.repository';
import { VersionsService } from './versions.service';
import { VersionsWalk } from './versions-walk';

eachDatabase('Versions of a task', (open, dialect) => {
  let test: TestDatabase;
  let server: TestServer;
  let agent: TestAgent;
  let versions: VersionsService;
  let removeSpool: () => void;
  beforeEach(async () => {
    test = await open();
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    server = new TestServer(test.database, storage);
    agent = await server.agent();
    const walk = new VersionsWalk(test.database, new VersionsRepository());
    versions = new VersionsService(test.database, new TasksRepository(), walk);
  });
  afterEach(async () => {
    await server.undos.idle();
    removeSpool();
  });

  async function told(of: TestAgent = agent): Promise<string[]> {
    const parts: Buffer[] = [];
    for await (const part of await versions.taskVersions(of.identity.clientNo, of.taskId)) parts.push(part);
    const { records } = decodeRecords(Buffer.concat(parts), 'versions', 'test');
    return records.map((record) => {
      const { path, entry, firstRun, lastRun, endReason } = decodeVersionRecord(record, 'test');
      const { kind, mode } = decodeEntry(entry, 'test');
      const what = kind === 'directory' ? 'dir' : mode.toString(8);
      return `${path.toString()} ${what} ${firstRun}-${lastRun ?? ''}${endReason === null ? '' : ` ${endReason}`}`;
    });
  }

  it('are told in walk order, oldest first within a path, with the runs that began and ended them', async () => {
    await agent.backUp(directory('/'), directory('/d'), file('/d/x', 0o600), file('/d.x', 0o600));
    await agent.backUp(file('/d/x', 0o644), close('/d.x', 'deselected'));
    await agent.backUp(close('/d/x'), file('/d', 0o640));
    await agent.backUp(directory('/d'), file('/d/x', 0o666));
    await expect(told()).resolves.toEqual([
      '/ dir 1-',
      '/d dir 1-3',
      '/d 640 3-4',
      '/d dir 4-',
      '/d/x 600 1-2',
      '/d/x 644 2-3 deleted',
      '/d/x 666 4-',
      '/d.x 600 1-2 deselected',
    ]);
  });

  it('do not show what a run does that goes on, or one that failed', async () => {
    await agent.backUp(directory('/'), file('/a', 0o600));
    const before = await told();
    await agent.start();
    await agent.send(file('/a', 0o644), file('/b'));
    await expect(told()).resolves.toEqual(before);
    await agent.abort();
    await server.undos.idle();
    await agent.backUp(close('/a'));
    await expect(told()).resolves.toEqual(['/ dir 1-', '/a 600 1-3 deleted']);
  });

  it('are none before the first snapshot, and not found by another client', async () => {
    await expect(told()).resolves.toEqual([]);
    await expect(codeOf(versions.taskVersions(2, agent.taskId))).resolves.toBe('not-found');
  });

  it('are whole where pages end within a path or a directory', async () => {
    await agent.start();
    const names = Array.from({ length: 2_100 }, (_, at) => `/d/f${String(at).padStart(4, '0')}`);
    await agent.send(directory('/'), directory('/d'), file('/z'));
    for (let at = 0; at < names.length; at += 700)
      await agent.send(...names.slice(at, at + 700).map((name) => file(name)));
    await agent.commit();
    await agent.backUp(...names.slice(990, 1_010).map((name) => file(name, 0o600)));
    const expected = names.flatMap((name, at) =>
      at >= 990 && at < 1_010 ? [`${name} 644 1-2`, `${name} 600 2-`] : [`${name} 644 1-`],
    );
    await expect(told()).resolves.toEqual(['/ dir 1-', '/d dir 1-', ...expected, '/z 644 1-']);
  });

  it('together are what the snapshots show, each at its number', async () => {
    const name = fc.constantFrom('/a', '/b', '/c/a', '/c/b', '/c/d/a');
    const step = fc.record({ name, mode: fc.constantFrom(0o600, 0o644, null) });
    let client = 1;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 4 }), { minLength: 1, maxLength: 4 }), async (runs) => {
        client += 1;
        const other = await server.agent(client);
        const there = new Set<string>();
        const ids: string[] = [];
        await other.backUp(directory('/'), directory('/c'), directory('/c/d'));
        for (const steps of runs) {
          const last = new Map(steps.map((one) => [one.name, one.mode]));
          const changes = [...last].flatMap(([path, mode]) => {
            if (mode === null) return there.delete(path) ? [close(path)] : [];
            there.add(path);
            return [file(path, mode)];
          });
          ids.push((await other.backUp(...changes)).runId);
        }
        const all = (await told(other)).map((line) => /^(.*) (\d+)-(\d*)/.exec(line) ?? []);
        for (const [at, id] of ids.entries()) {
          const number = at + 2;
          const visible = all.filter(
            ([, , first, last]) => Number(first) <= number && (last === '' || Number(last) > number),
          );
          expect(visible.map(([, shown]) => shown)).toEqual(await server.shown(other, id));
        }
      }),
      { numRuns: 8 },
    );
  });

  it('of one directory are found by its names, not by reading the task', async () => {
    await test.database.write('runs.batch', async (tx) => {
      const paths: Column[] = [
        { name: 'task_no', type: 'int' },
        { name: 'parent_no', type: 'int' },
        { name: 'name', type: 'bytes' },
      ];
      const rows = Array.from({ length: 5_000 }, (_, at): Value[] => [1, 1 + (at % 50), Buffer.from(`n${String(at)}`)]);
      await tx.insertMany('paths', paths, rows);
      await tx.run(
        `insert into file_versions (task_no, path_no, first_run, kind, size, content_since, exists_since, entry, detect)
         select 1, no, 1, 1, 0, 1, 1, name, name from paths`,
      );
      if (dialect === 'postgres') await tx.run('analyze');
    });
    const params = [3, 3, 3, 1, 7, Buffer.from('n1'), Buffer.from('n1'), 1, 1_000];
    const prefix = dialect === 'sqlite' ? 'explain query plan' : 'explain';
    const rows = await server.all<Record<string, unknown>>(`${prefix} ${VERSIONS_PAGE}`, params);
    const plan = rows.map((row) => String(row.detail ?? row['QUERY PLAN'])).join('\n');
    expect(plan).toMatch(/paths_child/);
    expect(plan).not.toMatch(/Seq Scan|SCAN [pv]\b|TEMP B-TREE FOR ORDER BY/);
  });
});
