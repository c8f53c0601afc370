import { LIMITS } from '#common';
import { decodeKeys } from '#engine';
import type { DomainError } from '../http/domain-error';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { ChunksRepository } from './chunks.repository';
import {
  close,
  codeOf,
  contentOf,
  detectionOf,
  directory,
  encodeBatch,
  file,
  fileOf,
  link,
  type TestAgent,
  TestServer,
  WatchedStorage,
} from './runs.testing';

eachDatabase('Batches of a run', (open) => {
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

  const versions = (): Promise<Record<string, number>[]> =>
    server.all('select first_run, last_run, end_reason from file_versions order by path_no, first_run');

  it('are seen by no reader before the run is committed', async () => {
    const first = await agent.backUp(directory('/'), file('/a', 0o600), file('/b', 0o600));
    const before = await server.shown(agent, first.runId);
    const index = await server.index(agent);
    await agent.start();
    await agent.send(file('/a', 0o644), close('/b'), directory('/c'));
    await expect(server.shown(agent, first.runId)).resolves.toEqual(before);
    await expect(server.index(agent)).resolves.toEqual(index);
    await expect(codeOf(server.shown(agent, agent.run.runId))).resolves.toBe('not-found');
    await expect(server.snapshots.listSnapshots(1)).resolves.toMatchObject({ snapshots: [{ id: first.runId }] });
    const second = await agent.commit();
    await expect(server.shown(agent, second.runId)).resolves.toEqual(['/ dir', '/a 644', '/c dir']);
    await expect(server.shown(agent, first.runId)).resolves.toEqual(before);
  });

  it('take effect once when the same one comes twice at the same time', async () => {
    await agent.start();
    const { body } = encodeBatch([directory('/'), file('/a')]);
    const twice = [1, 2].map(() => server.runs.applyBatch(agent.grant, 1, body));
    await expect(Promise.all(twice)).resolves.toEqual([{ nextSequence: 2 }, { nextSequence: 2 }]);
    await expect(server.get('select next_seq, change_count from runs')).resolves.toEqual({
      next_seq: 2,
      change_count: 2,
    });
    await expect(versions()).resolves.toHaveLength(2);
  });

  it('acknowledge an old number without effect', async () => {
    await agent.start();
    await agent.send(directory('/'));
    const other = encodeBatch([file('/never')]).body;
    await expect(server.runs.applyBatch(agent.grant, 1, other)).resolves.toEqual({ nextSequence: 2 });
    await expect(versions()).resolves.toHaveLength(1);
    const committed = await agent.commit();
    await expect(server.runs.applyBatch(agent.grant, 1, other)).resolves.toEqual({ nextSequence: 2 });
    await expect(server.shown(agent, committed.runId)).resolves.toEqual(['/ dir']);
  });

  it('refuse a gap and say which number is next', async () => {
    await agent.start();
    await agent.send(directory('/'));
    const refused = server.runs.applyBatch(agent.grant, 3, encodeBatch([file('/a')]).body);
    await expect(refused).rejects.toMatchObject({ code: 'sequence-gap', details: { nextSequence: 2 } });
    await expect(versions()).resolves.toHaveLength(1);
  });

  it('tell a wrong token that the run is over', async () => {
    await agent.start();
    const wrong = 'f'.repeat(64);
    await expect(codeOf(server.runs.grant(agent.identity, agent.run.runId, wrong))).resolves.toBe('run-over');
    const forged = { ...agent.grant, tokenHash: Buffer.alloc(32) };
    const { body } = encodeBatch([directory('/')]);
    await expect(codeOf(server.runs.applyBatch(forged, 1, body))).resolves.toBe('run-over');
    await expect(versions()).resolves.toEqual([]);
  });

  it('tell another client that there is no such run', async () => {
    await agent.start();
    const other = await server.agent(2);
    const grant = server.runs.grant(other.identity, agent.run.runId, agent.run.token);
    await expect(codeOf(grant)).resolves.toBe('not-found');
    await expect(codeOf(server.runs.run(other.identity, agent.run.runId))).resolves.toBe('not-found');
  });

  it('change nothing once the run was aborted', async () => {
    await agent.backUp(directory('/'), file('/a'));
    const before = await versions();
    await agent.start();
    await agent.abort();
    await expect(codeOf(agent.send(file('/a', 0o600)))).resolves.toBe('run-over');
    await server.undos.idle();
    await expect(codeOf(agent.send(file('/a', 0o600)))).resolves.toBe('run-over');
    await expect(versions()).resolves.toEqual(before);
  });

  it('either arrive before an abort and are undone, or come too late', async () => {
    await agent.backUp(directory('/'), file('/a'));
    const before = await versions();
    await agent.start();
    const batches = [1, 2, 3].map((number) => {
      const { body } = encodeBatch([file(`/new${number}`)]);
      return codeOf(server.runs.applyBatch(agent.grant, 1, body));
    });
    const codes = await Promise.all([...batches, codeOf(agent.abort())]);
    expect(codes.pop()).toBe('resolved');
    for (const code of codes) expect(['resolved', 'run-over']).toContain(code);
    await server.undos.idle();
    await expect(versions()).resolves.toEqual(before);
    await expect(agent.state()).resolves.toBe('failed');
  });

  it('are refused while the run is being committed', async () => {
    await agent.start();
    await agent.send(directory('/'));
    const late: string[] = [];
    server.storage.beforePut = async () => {
      late.push(await codeOf(server.runs.applyBatch(agent.grant, 2, encodeBatch([file('/late')]).body)));
    };
    const { runId } = await agent.commit();
    expect(late).toEqual(['run-committing']);
    await expect(server.shown(agent, runId)).resolves.toEqual(['/ dir']);
  });

  it('close the old version, then open the new one', async () => {
    await agent.backUp(directory('/'), file('/a', 0o600));
    await agent.backUp(file('/a', 0o644));
    await agent.backUp(close('/a', 'deselected'));
    await expect(versions()).resolves.toEqual([
      { first_run: 1, last_run: null, end_reason: null },
      { first_run: 1, last_run: 2, end_reason: null },
      { first_run: 2, last_run: 3, end_reason: 2 },
    ]);
  });

  it('drop an entry equal to the visible one, and keep its newer detection data', async () => {
    await agent.backUp(directory('/'), file('/a', 0o600, 7));
    await agent.backUp(directory('/'), file('/a', 0o600, 8));
    await expect(versions()).resolves.toHaveLength(2);
    await expect(server.index(agent)).resolves.toEqual([
      { path: '/', detection: detectionOf(1) },
      { path: '/a', detection: detectionOf(8) },
    ]);
  });

  it('take a path once per run: the same entry again is dropped, another one refused', async () => {
    await agent.start();
    await expect(codeOf(agent.send(directory('/'), file('/a', 0o600), file('/a', 0o644)))).resolves.toBe('invalid');
    await agent.send(directory('/'), file('/a', 0o600));
    await agent.send(file('/a', 0o600));
    await expect(codeOf(agent.send(file('/a', 0o644)))).resolves.toBe('invalid');
    await expect(codeOf(agent.send(close('/a')))).resolves.toBe('invalid');
    const { runId } = await agent.commit();
    await expect(server.shown(agent, runId)).resolves.toEqual(['/ dir', '/a 600']);
    await agent.start();
    await agent.send(close('/a'));
    await expect(codeOf(agent.send(file('/a', 0o644)))).resolves.toBe('invalid');
    await agent.send(close('/a'));
  });

  it('ignore a closing of what is not there', async () => {
    const { runId } = await agent.backUp(directory('/'), close('/never/was'), close('/a'));
    await expect(server.shown(agent, runId)).resolves.toEqual(['/ dir']);
  });

  it('refuse an entry whose parent is no directory of the run', async () => {
    await agent.start();
    await expect(codeOf(agent.send(file('/a')))).resolves.toBe('invalid');
    await expect(codeOf(agent.send(directory('/'), file('/a'), file('/a/b')))).resolves.toBe('invalid');
    await expect(codeOf(agent.send(directory('/'), file('/x/y/z')))).resolves.toBe('invalid');
    // A child before its parent is as wrong: what is sent is complete at any time.
    await expect(codeOf(agent.send(directory('/'), file('/d/f'), directory('/d')))).resolves.toBe('invalid');
    await agent.send(directory('/'), directory('/d'), file('/d/f'));
    await agent.commit();
    await agent.start();
    await agent.send(close('/d/f'), close('/d'));
    await expect(codeOf(agent.send(file('/d/g')))).resolves.toBe('invalid');
  });

  it('close every descendant when a directory becomes a file or goes', async () => {
    await agent.backUp(
      directory('/'),
      directory('/d'),
      file('/d/a'),
      directory('/d/e'),
      directory('/d/e/f'),
      file('/d/e/f/g'),
      directory('/k'),
      directory('/k/l'),
      file('/k/l/m'),
    );
    const second = await agent.backUp(file('/d'), close('/k', 'deselected'));
    await expect(server.shown(agent, second.runId)).resolves.toEqual(['/ dir', '/d 644']);
    await expect(server.get('select count(*) as n from file_versions where last_run is null')).resolves.toEqual({
      n: 2,
    });
    const { changes } = await server.manifest(agent, agent.run);
    expect(changes).toEqual([
      '/d 644',
      '/d/a deleted',
      '/d/e deleted',
      '/d/e/f deleted',
      '/d/e/f/g deleted',
      '/k deselected',
      '/k/l deselected',
      '/k/l/m deselected',
    ]);
  });

  it('keep what is below a directory whose attributes change', async () => {
    await agent.backUp(directory('/'), directory('/d'), file('/d/a'));
    const { runId } = await agent.backUp(directory('/d', 0o700));
    await expect(server.shown(agent, runId)).resolves.toEqual(['/ dir', '/d dir', '/d/a 644']);
  });

  it('refuse to close a directory into which the run put something', async () => {
    await agent.backUp(directory('/'), directory('/d'), file('/d/a'));
    await agent.start();
    await agent.send(file('/d/new'));
    await expect(codeOf(agent.send(close('/d')))).resolves.toBe('invalid');
    await expect(codeOf(agent.send(file('/d')))).resolves.toBe('invalid');
  });

  it('answer missing chunks with their ids, have no effect, and let the run go on', async () => {
    const [here, gone, xattrs] = [contentOf('here'), contentOf('gone'), contentOf('x'.repeat(5_000))];
    await server.addChunks(1, [here]);
    await server.addChunks(2, [gone]);
    await agent.start();
    const batch = [directory('/'), fileOf('/a', here), fileOf('/b', gone)];
    const error = await agent.send(...batch).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'missing-chunks' });
    const { keysBase64 } = (error as DomainError).details as { keysBase64: string };
    expect(decodeKeys(Buffer.from(keysBase64, 'base64'), 10)).toEqual([{ id: gone.id, height: 0 }]);
    await expect(server.get('select next_seq, change_count from runs')).resolves.toEqual({
      next_seq: 1,
      change_count: 0,
    });
    await expect(versions()).resolves.toEqual([]);
    await expect(server.all('select * from paths')).resolves.toEqual([]);
    await server.addChunks(1, [gone, xattrs]);
    await agent.send(...batch);
    const { runId } = await agent.commit();
    await expect(server.shown(agent, runId)).resolves.toHaveLength(3);
  });

  it('find the damaged chunk below a list, which counts as missing with all lists above it', async () => {
    const list = { ...contentOf('list', 1), size: 8 };
    const [part, other] = [contentOf('part'), contentOf('rest')];
    const [listNo, partNo, otherNo] = (await server.addChunks(1, [list, part, other])) as [number, number, number];
    await test.database.write('packs.live', (tx) =>
      new ChunksRepository().insertListRefs(tx, [
        { listNo, childNo: partNo },
        { listNo, childNo: otherNo },
      ]),
    );
    await server.setChunk(partNo, 'damaged = 1');
    await agent.start();
    const error = await agent.send(directory('/'), fileOf('/a', list)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'missing-chunks' });
    const { keysBase64 } = (error as DomainError).details as { keysBase64: string };
    const keys = decodeKeys(Buffer.from(keysBase64, 'base64'), 10);
    expect(keys).toHaveLength(2);
    expect(new Set(keys.map(({ height }) => height))).toEqual(new Set([0, 1]));
    await server.setChunk(partNo, 'damaged = 0');
    await agent.send(directory('/'), fileOf('/a', list));
  });

  it('revive the condemned chunks that they refer to', async () => {
    const content = contentOf('condemned');
    const [no] = (await server.addChunks(1, [content])) as [number];
    await server.setChunk(no, 'condemned_at = 1');
    await agent.backUp(directory('/'), fileOf('/a', content));
    await expect(server.get('select condemned_at from chunks')).resolves.toEqual({ condemned_at: null });
  });

  it('refuse an entry whose size is not that of its content', async () => {
    const content = contentOf('1234');
    await server.addChunks(1, [content]);
    await agent.start();
    const sent = agent.send(directory('/'), fileOf('/a', { ...content, size: 5 }));
    await expect(codeOf(sent)).resolves.toBe('invalid');
  });

  it('remember since when the content is the same, and since when the path exists', async () => {
    const [one, two] = [contentOf('one'), contentOf('two')];
    await server.addChunks(1, [one, two]);
    await agent.backUp(directory('/'), fileOf('/a', one, 0o600), link('/l', 'x'));
    await agent.backUp(fileOf('/a', one, 0o644), link('/l', 'x', 0o755));
    await agent.backUp(fileOf('/a', two, 0o644), link('/l', 'y', 0o755));
    await agent.backUp(close('/a'));
    await agent.backUp(fileOf('/a', two, 0o644));
    await expect(
      server.all(
        `select v.first_run, v.content_since, v.exists_since from file_versions v join paths p on p.no = v.path_no
         where length(p.name) = 1 order by v.path_no, v.first_run`,
      ),
    ).resolves.toEqual([
      { first_run: 1, content_since: 1, exists_since: 1 },
      { first_run: 2, content_since: 1, exists_since: 1 },
      { first_run: 3, content_since: 3, exists_since: 1 },
      { first_run: 5, content_since: 5, exists_since: 5 },
      { first_run: 1, content_since: 1, exists_since: 1 },
      { first_run: 2, content_since: 1, exists_since: 1 },
      { first_run: 3, content_since: 3, exists_since: 1 },
    ]);
  });

  it('refuse bytes that are no batch, and more than the limits', async () => {
    await agent.start();
    const { body } = encodeBatch([directory('/')]);
    body[body.length - 1]! ^= 1;
    await expect(codeOf(server.runs.applyBatch(agent.grant, 1, body))).resolves.toBe('invalid');
    const many = Array.from({ length: LIMITS.batchRecords + 1 }, () => close('/a'));
    await expect(codeOf(server.runs.applyBatch(agent.grant, 1, encodeBatch(many).body))).resolves.toBe('too-large');
    await expect(server.get('select next_seq from runs')).resolves.toEqual({ next_seq: 1 });
  });

  it('close directories of more than a page, whatever became of their names before, and undo opens them again', async () => {
    const files = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, at) => file(`/d/f${String(from + at)}`));
    await agent.start();
    await agent.send(directory('/'), directory('/d'), directory('/d/z'), file('/d/z/x'), directory('/d/none'));
    await agent.send(...files(0, 1_000));
    await agent.send(...files(1_000, 1_500));
    await agent.commit();
    const { runId: before } = await agent.backUp(...files(100, 1_000).map(({ path }) => close(path.toString())));
    await agent.start();
    await agent.send(close('/d'));
    await agent.abort();
    await server.undos.idle();
    await expect(server.get('select count(*) as open from file_versions where last_run is null')).resolves.toEqual({
      open: 605,
    });
    const { runId } = await agent.backUp(close('/d'));
    await expect(server.shown(agent, before)).resolves.toHaveLength(605);
    await expect(server.shown(agent, runId)).resolves.toEqual(['/ dir']);
    await expect(server.get('select count(*) as open from file_versions where last_run is null')).resolves.toEqual({
      open: 1,
    });
  });

  it('take a path of as many levels as bytes allow, and a tree of many', async () => {
    await agent.start();
    await agent.send(directory('/'));
    // The keys of all its ancestors would take 17 GB.
    await agent.send(close('/a'.repeat(130_000)));
    for (const from of [1, 901]) {
      await agent.send(...Array.from({ length: 900 }, (_, at) => directory('/a'.repeat(from + at))));
    }
    const { runId } = await agent.commit();
    await expect(server.listed(agent, runId, '/a'.repeat(1_799))).resolves.toEqual([`${'/a'.repeat(1_800)} dir`]);
  });

  it('build on no number of a batch that was refused', async () => {
    await agent.start();
    await expect(codeOf(agent.send(directory('/'), directory('/d'), file('/none/f')))).resolves.toBe('invalid');
    await agent.send(directory('/'), directory('/e'));
    await agent.send(file('/e/f'), directory('/d'), file('/d/g'));
    const { runId } = await agent.commit();
    await expect(server.shown(agent, runId)).resolves.toEqual(['/ dir', '/d dir', '/d/g 644', '/e dir', '/e/f 644']);
  });

  it('find what lies in a directory that was new a moment ago', async () => {
    await agent.start();
    await agent.send(directory('/'), directory('/d'), file('/d/a', 0o600));
    await agent.send(file('/d/a', 0o600), file('/d/b'));
    await expect(codeOf(agent.send(file('/d/a', 0o644)))).resolves.toBe('invalid');
    await expect(versions()).resolves.toHaveLength(4);
    await expect(server.get('select count(*) as paths from paths')).resolves.toEqual({ paths: 4 });
  });

  it('number a directory again whose row is gone', async () => {
    await agent.start();
    await agent.send(directory('/'), directory('/d'), file('/d/a'));
    await test.database.write('runs.batch', async (tx) => {
      const row = await tx.get<{ no: number }>('select no from paths where name = ?', [Buffer.from('d')]);
      const gone = row?.no ?? 0;
      await tx.run(
        'delete from file_versions where path_no = ? or path_no in (select no from paths where parent_no = ?)',
        [gone, gone],
      );
      await tx.run('delete from paths where parent_no = ? or no = ?', [gone, gone]);
    });
    await agent.send(directory('/d'), file('/d/b'));
    const { runId } = await agent.commit();
    await expect(server.shown(agent, runId)).resolves.toEqual(['/ dir', '/d dir', '/d/b 644']);
  });

  it('refuse a link that leads further than any system takes', async () => {
    await agent.start();
    await expect(codeOf(agent.send(directory('/'), link('/l', 'x'.repeat(4_097))))).resolves.toBe('invalid');
    await agent.send(directory('/'), link('/l', 'x'.repeat(4_096)));
  });

  it('renew the lease', async () => {
    await agent.start();
    test.clock.advance(200_000);
    await agent.send(directory('/'));
    test.clock.advance(200_000);
    await server.undos.closeExpired();
    await expect(agent.state()).resolves.toBe('running');
  });

  it('keep names that are no text', async () => {
    const name = Buffer.from([0x2f, 0xff, 0xfe, 0x0a]);
    const { runId } = await agent.backUp(directory('/'), file(name));
    const stream = await server.snapshots.entries(1, runId, name);
    let length = 0;
    for await (const part of stream) length += part.length;
    expect(length).toBeGreaterThan(0);
  });
});
