import fc from 'fast-check';
import { comparePaths, joinPath, ROOT_PATH } from '#engine';
import type { Column, Value } from '../database/sql';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { NAMES_PAGE } from './catalog-read.repository';
import {
  close,
  codeOf,
  contentOf,
  directory,
  file,
  fileOf,
  TestAgent,
  TestServer,
  WatchedStorage,
} from './runs.testing';

eachDatabase('Snapshots', (open, dialect) => {
  let test: TestDatabase;
  let server: TestServer;
  let agent: TestAgent;
  let removeSpool: () => void;
  beforeEach(async () => {
    test = await open();
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    server = new TestServer(test.database, storage);
    agent = await server.agent();
  });
  afterEach(async () => {
    await server.undos.idle();
    removeSpool();
  });

  it('show each its own state', async () => {
    const first = await agent.backUp(directory('/'), file('/a', 0o600), directory('/d'), file('/d/x', 0o600));
    const second = await agent.backUp(file('/a', 0o644), close('/d/x'));
    const third = await agent.backUp(file('/a', 0o666), file('/d/x', 0o644), file('/b'));
    await expect(server.shown(agent, first.runId)).resolves.toEqual(['/ dir', '/a 600', '/d dir', '/d/x 600']);
    await expect(server.shown(agent, second.runId)).resolves.toEqual(['/ dir', '/a 644', '/d dir']);
    await expect(server.shown(agent, third.runId)).resolves.toEqual([
      '/ dir',
      '/a 666',
      '/b 644',
      '/d dir',
      '/d/x 644',
    ]);
    const { snapshots } = await server.snapshots.listSnapshots(1);
    expect(snapshots.map(({ number }) => number)).toEqual([3, 2, 1]);
  });

  it('show a subtree, a directory, or one entry', async () => {
    const { runId } = await agent.backUp(
      directory('/'),
      directory('/d'),
      directory('/d/e'),
      file('/d/e/f'),
      file('/d.x'),
    );
    await expect(server.shown(agent, runId, '/d')).resolves.toEqual(['/d dir', '/d/e dir', '/d/e/f 644']);
    await expect(server.shown(agent, runId, '/d/e/f')).resolves.toEqual(['/d/e/f 644']);
    await expect(server.listed(agent, runId, '/')).resolves.toEqual(['/d dir', '/d.x 644']);
    await expect(server.listed(agent, runId, '/d/e')).resolves.toEqual(['/d/e/f 644']);
    await expect(server.listed(agent, runId, '/d/e/f')).resolves.toEqual(['/d/e/f 644']);
    await expect(codeOf(server.shown(agent, runId, '/d/none'))).resolves.toBe('not-found');
    await expect(codeOf(server.listed(agent, runId, '/none/x'))).resolves.toBe('not-found');
    await expect(codeOf(server.shown(agent, runId, 'd'))).resolves.toBe('invalid');
  });

  it('that are empty show nothing', async () => {
    const { runId } = await agent.backUp();
    await expect(server.shown(agent, runId)).resolves.toEqual([]);
    await expect(server.listed(agent, runId, '/')).resolves.toEqual([]);
    await expect(server.index(agent)).resolves.toEqual([]);
  });

  it('of another client are not found, nor are its tasks', async () => {
    const { runId } = await agent.backUp(directory('/'));
    const other = await server.agent(2);
    await expect(codeOf(server.shown(other, runId))).resolves.toBe('not-found');
    await expect(codeOf(server.listed(other, runId, '/'))).resolves.toBe('not-found');
    await expect(codeOf(server.snapshots.taskIndex(2, agent.taskId))).resolves.toBe('not-found');
    await expect(server.snapshots.listSnapshots(2)).resolves.toEqual({ snapshots: [] });
    await expect(server.snapshots.history(2, Buffer.from('/'))).resolves.toEqual({ versions: [] });
  });

  it('are read as they were when the reading began, whatever is committed or undone meanwhile', async () => {
    const names = Array.from({ length: 2_500 }, (_, at) => `/f${String(at).padStart(4, '0')}`);
    await agent.start();
    await agent.send(directory('/'));
    for (let at = 0; at < names.length; at += 500) {
      await agent.send(...names.slice(at, at + 500).map((name) => file(name, 0o600)));
    }
    await agent.commit();
    const seen: string[] = [];
    const stream = server.walk.walk({ taskNo: agent.grant.taskNo, number: 1 }, ROOT_PATH);
    let page = 0;
    for await (const entries of stream) {
      seen.push(...entries.map(({ path }) => path.toString()));
      page += 1;
      if (page === 1) await agent.backUp(...names.slice(-500).map((name) => close(name)));
      if (page === 2) {
        await agent.start();
        await agent.send(...names.slice(1_900, 1_950).map((name) => file(name, 0o644)));
        await agent.abort();
      }
    }
    expect(page).toBe(3);
    expect(seen).toEqual(['/', ...names]);
  });

  it('are walked in walk order', async () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 3 })
      .map((bytes) => Buffer.from(bytes.map((byte) => [0x2e, 0x61, 0x2d, 0xff, 0x01, 0x30][byte % 6] as number)))
      .filter((bytes) => !['.', '..'].includes(bytes.toString()));
    const tree = fc.array(fc.array(name, { minLength: 1, maxLength: 4 }), { maxLength: 40 });
    let client = 1;
    await fc.assert(
      fc.asyncProperty(tree, async (paths) => {
        client += 1;
        const walker = await server.agent(client);
        const directories = new Map<string, Buffer>([['/', ROOT_PATH]]);
        for (const names of paths) {
          names.reduce<Buffer>((parent, part) => {
            const path = joinPath(parent, part);
            directories.set(path.toString('latin1'), path);
            return path;
          }, ROOT_PATH);
        }
        const sorted = [...directories.values()].sort(comparePaths);
        await walker.backUp(...sorted.map((path) => directory(path)));
        const walked: Buffer[] = [];
        const snapshot = { taskNo: walker.grant.taskNo, number: walker.run.number };
        for await (const page of server.walk.walk(snapshot, ROOT_PATH)) walked.push(...page.map(({ path }) => path));
        expect(walked).toEqual(sorted);
      }),
      { numRuns: 10 },
    );
  });

  it('are walked through deep trees of large directories with few of their rows at hand', async () => {
    const depth = 13;
    const width = 1_200;
    const rows: Value[][] = [];
    for (let level = 0, parent = ''; level < depth; level += 1, parent += '/0') {
      rows.push([`${parent}/0`, 2]);
      for (let at = 0; at < width; at += 1) rows.push([`${parent}/n${String(at).padStart(5, '0')}`, 1]);
    }
    await agent.backUp(directory('/'));
    await insertTree(rows.map(([path]) => String(path)));
    const paths: Buffer[] = [];
    for await (const page of server.walk.walk({ taskNo: agent.grant.taskNo, number: 1 }, ROOT_PATH)) {
      paths.push(...page.map(({ path }) => path));
    }
    expect(paths).toHaveLength(depth * (width + 1) + 1);
    expect(paths.every((path, at) => at === 0 || comparePaths(paths[at - 1] as Buffer, path) < 0)).toBe(true);
  });

  /** Writes paths straight into the catalog, as run 1 would have; parents first; those ending in `/0` are directories. */
  async function insertTree(paths: readonly string[]): Promise<void> {
    const { taskNo } = agent.grant;
    const root = await server.get<{ path_no: number; entry: Buffer; detect: Buffer }>(
      'select path_no, entry, detect from file_versions where task_no = ?',
      [taskNo],
    );
    const [first = 0] = [root?.path_no];
    const numbers = new Map([['', first]]);
    const pathRows: Value[][] = [];
    const versionRows: Value[][] = [];
    paths.forEach((path, at) => {
      const no = first + 1 + at;
      numbers.set(path, no);
      const slash = path.lastIndexOf('/');
      pathRows.push([no, taskNo, numbers.get(path.slice(0, slash)) ?? 0, Buffer.from(path.slice(slash + 1))]);
      const kind = path.endsWith('/0') ? 2 : 1;
      versionRows.push([taskNo, no, 1, kind, 0, 1, 1, root?.entry ?? null, root?.detect ?? null]);
    });
    await test.database.write('runs.batch', async (tx) => {
      for (let at = 0; at < paths.length; at += 10_000) {
        await tx.insertMany('paths', columns('no task_no parent_no name:bytes'), pathRows.slice(at, at + 10_000));
        await tx.insertMany(
          'file_versions',
          columns('task_no path_no first_run kind size content_since exists_since entry:bytes detect:bytes'),
          versionRows.slice(at, at + 10_000),
        );
      }
    });
  }

  it('page through a directory of 100,000 entries by the right indices', async () => {
    await agent.backUp(directory('/'));
    await insertTree(Array.from({ length: 100_000 }, (_, at) => `/e${String(at).padStart(6, '0')}`));
    if (dialect === 'postgres') await test.database.write('runs.batch', (tx) => tx.run('analyze'));
    const sizes: number[] = [];
    for await (const page of server.walk.list({ taskNo: agent.grant.taskNo, number: 1 }, ROOT_PATH)) {
      sizes.push(page.length);
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100_000);
    const plan = await planOf(NAMES_PAGE, [agent.grant.taskNo, 1, Buffer.from('e05'), 1_000]);
    if (dialect === 'sqlite') {
      expect(plan).toEqual(['SEARCH p USING COVERING INDEX paths_child (task_no=? AND parent_no=? AND name>?)']);
    } else {
      expect(plan.join('\n')).toMatch(/Index (Only )?Scan using paths_child/);
      expect(plan.join('\n')).not.toMatch(/Seq Scan|Sort/);
    }
  });

  async function planOf(sql: string, params: readonly Value[]): Promise<string[]> {
    const explain = dialect === 'sqlite' ? 'explain query plan' : 'explain';
    const rows = await server.all<{ detail?: string; 'QUERY PLAN'?: string }>(`${explain} ${sql}`, [...params]);
    return rows.map((row) => row.detail ?? row['QUERY PLAN'] ?? '');
  }

  describe('history of a path', () => {
    const history = async (path: string) => (await server.snapshots.history(1, Buffer.from(path))).versions;

    it('looks at the runs of a version only, however many there are', async () => {
      const RUNS = 150_000;
      await agent.backUp(directory('/'));
      const runs = `with recursive n(v) as (select 2 union all select v + 1 from n where v < ${String(RUNS)})`;
      await test.database.write('runs.batch', async (tx) => {
        await tx.run(
          `insert into runs (task_no, number, id, state, token_hash, chain_digest, lease_until, started_at, stamp, platform,
             chunker, roots, excludes)
           ${runs} select r.task_no, n.v, 'run ' || n.v, r.state, r.token_hash, r.chain_digest, 0, 0, r.stamp + n.v,
             r.platform, r.chunker, r.roots, r.excludes from n cross join runs r where r.number = 1`,
        );
        await tx.run('update file_versions set last_run = 2');
        await tx.run(
          `insert into file_versions (task_no, path_no, first_run, last_run, kind, size, content_since, exists_since, entry,
             detect)
           ${runs} select f.task_no, f.path_no, n.v, case when n.v < ${String(RUNS)} then n.v + 1 end, f.kind, f.size, 1, 1,
             f.entry, f.detect from n cross join file_versions f where f.first_run = 1`,
        );
        await tx.run(`update tasks set head_run = ${String(RUNS)}`);
      });
      // From the head for every version it would be some ten minutes, and the test would not end.
      const versions = await history('/');
      expect(versions).toHaveLength(RUNS);
      expect(versions[0]?.snapshotId).toBe(`run ${String(RUNS)}`);
      expect(versions.at(-1)?.snapshotId).toBe(agent.run.runId);
    });

    it('tells the restorable versions, from which snapshot, and how each ended', async () => {
      const content = contentOf('x');
      await server.addChunks(1, [content]);
      const first = await agent.backUp(directory('/'), file('/a', 0o600));
      const second = await agent.backUp();
      const third = await agent.backUp(fileOf('/a', content));
      const fourth = await agent.backUp(close('/a', 'deleted'));
      const fifth = await agent.backUp(file('/a', 0o644));
      const versions = await history('/a');
      expect(versions.map(({ entryBase64: _, ...version }) => version)).toEqual([
        { task: 'cli', snapshotId: fifth.runId, firstSeenMs: fifth.stampMs, endedMs: null, endReason: null },
        {
          task: 'cli',
          snapshotId: third.runId,
          firstSeenMs: third.stampMs,
          endedMs: fourth.stampMs,
          endReason: 'deleted',
        },
        {
          task: 'cli',
          snapshotId: second.runId,
          firstSeenMs: first.stampMs,
          endedMs: third.stampMs,
          endReason: 'replaced',
        },
      ]);
      await expect(history('/never')).resolves.toEqual([]);
    });

    it('does not know of a run that is on, nor of one that was aborted', async () => {
      const first = await agent.backUp(directory('/'), file('/a', 0o600));
      const before = await history('/a');
      expect(before).toHaveLength(1);
      await agent.start();
      await agent.send(file('/a', 0o644), file('/new'));
      await expect(history('/a')).resolves.toEqual(before);
      await expect(history('/new')).resolves.toEqual([]);
      await agent.abort();
      await server.undos.idle();
      await expect(history('/a')).resolves.toEqual(before);
      await agent.start();
      await agent.send(close('/a', 'deselected'));
      let whileCommitting: unknown;
      server.storage.beforePut = async () => {
        whileCommitting = await history('/a');
      };
      const second = await agent.commit();
      expect(whileCommitting).toEqual(before);
      await expect(history('/a')).resolves.toMatchObject([
        { snapshotId: first.runId, endedMs: second.stampMs, endReason: 'deselected' },
      ]);
    });

    it('goes over all tasks of the client, newest first', async () => {
      await agent.backUp(directory('/'), file('/a', 0o600));
      test.clock.advance(1_000);
      const { id } = await server.tasks.openTask(1, 'other');
      const task = new TestAgent(server, agent.identity, id);
      await task.backUp(directory('/'), file('/a', 0o644));
      expect((await history('/a')).map((version) => version.task)).toEqual(['other', 'cli']);
    });
  });
});

function columns(text: string): Column[] {
  return text.split(' ').map((part) => {
    const [name = '', type] = part.split(':');
    return { name, type: type === 'bytes' ? 'bytes' : 'int' };
  });
}
