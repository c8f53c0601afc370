import { keyString } from '#engine';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { blockOf, dataChunk, IngestBench, inPieces } from './ingest.testing';
import { ReclaimRepository } from './reclaim.repository';
import type { RunGrant } from './run-grant';
import { codeOf, TestServer, WatchedStorage } from './runs.testing';

eachDatabase('room for uploads', (open) => {
  let db: TestDatabase;
  let bench: IngestBench;
  let domainNo: number;
  let run: RunGrant;

  beforeEach(async () => {
    db = await open();
    bench = IngestBench.open(db);
    domainNo = await bench.newDomain();
    run = await bench.newRun(domainNo);
    await db.database.write('clients.register', async (tx) => {
      await tx.run(
        `insert into users (no, id, username, password_hash, role, domain_no, state, created_at)
         values (1, 'u', 'owner', '', 'user', ?, 'active', 0)`,
        [domainNo],
      );
      await tx.run(
        `insert into clients (no, id, owner_no, domain_no, name, secret_hash, state, created_at)
         values (1, 'c', 1, ?, 'pc', ?, 'active', 0)`,
        [domainNo, Buffer.alloc(32)],
      );
    });
  });
  afterEach(() => {
    bench.close();
  });

  const setQuota = (bytes: number | null): Promise<unknown> =>
    db.database.write('users.change', (tx) => tx.run('update users set quota_bytes = ?', [bytes]));
  const counted = async (domain = domainNo): Promise<number> => {
    const row = await db.database.read((sql) =>
      sql.get<{ bytes: number; sum: number }>(
        `select d.stored_bytes as bytes,
           (select coalesce(sum(c.stored_length), 0) from chunks c where c.domain_no = d.no) as sum
         from domains d where d.no = ?`,
        [domain],
      ),
    );
    expect(row!.bytes).toBe(row!.sum);
    return row!.bytes;
  };

  it('counts the bytes of blocks as they came, once, whoever has them too', async () => {
    const [one, two] = [blockOf(dataChunk('a'), dataChunk('b')), blockOf(dataChunk('c'))];
    await bench.send(run, [one, two]);
    expect(await counted()).toBe(one.length + two.length);
    await bench.send(run, [one]);
    expect(await counted()).toBe(one.length + two.length);
    // In a block of another shape, and stored where the first one's bytes are: he pays for what he sent.
    const strangers = await bench.newDomain();
    const alone = blockOf(dataChunk('b'));
    await bench.send(await bench.newRun(strangers), [alone]);
    expect(await counted(strangers)).toBe(alone.length);
    expect(await counted()).toBe(one.length + two.length);
  });

  it('gives back what reclaim takes', async () => {
    const [one, two] = [blockOf(dataChunk('a')), blockOf(dataChunk('b'))];
    await bench.send(run, [one, two]);
    const rows = [...(await bench.find(domainNo, [dataChunk('a')])).values()];
    await db.database.write('reclaim.sweep', async (tx) => {
      await tx.run('update chunks set condemned_at = 1');
      await new ReclaimRepository().sweep(tx, [rows[0]!.no], 1);
    });
    expect(await counted()).toBe(two.length);
  });

  it('refuses an upload beyond the quota before a byte of it is read, and tells used and quota', async () => {
    const one = blockOf(dataChunk('a'));
    await setQuota(one.length + 10);
    await bench.send(run, [one]);
    let isRead = false;
    const body = async function* () {
      isRead = true;
      yield* inPieces(one);
    };
    const refused = bench.ingest.receivePack(run, body(), { announcedBytes: 11 });
    await expect(refused).rejects.toMatchObject({
      code: 'quota-exceeded',
      details: { usedBytes: one.length, quotaBytes: one.length + 10 },
    });
    expect(isRead).toBe(false);
    await bench.ingest.receivePack(run, inPieces(blockOf(dataChunk('a'))), { announcedBytes: 10 });
  });

  it('stores nothing of an upload that goes beyond the quota, whatever it announced', async () => {
    const [one, two] = [blockOf(dataChunk('a')), blockOf(dataChunk('b'))];
    await setQuota(one.length + two.length - 1);
    await bench.send(run, [one]);
    expect(await codeOf(bench.send(run, [two]))).toBe('quota-exceeded');
    expect(await counted()).toBe(one.length);
    expect(await bench.packStates()).toEqual([{ state: 'live' }, { state: 'dead' }]);
    await setQuota(one.length + two.length);
    await bench.send(run, [two]);
    expect(await counted()).toBe(one.length + two.length);
  });

  it('says so when chunks are asked for that would be sent; what is there already needs no room', async () => {
    const one = blockOf(dataChunk('a'));
    await bench.send(run, [one]);
    await setQuota(one.length);
    expect(await bench.ingest.missing(run, [dataChunk('a')])).toEqual([]);
    expect(await codeOf(bench.ingest.missing(run, [dataChunk('b')]))).toBe('quota-exceeded');
    await setQuota(null);
    expect((await bench.ingest.missing(run, [dataChunk('b')])).map(keyString)).toEqual([keyString(dataChunk('b'))]);
  });

  it('takes nothing more when MIN_FREE_BYTES are left, and reads and gives back as before', async () => {
    const one = blockOf(dataChunk('a'));
    await bench.send(run, [one]);
    bench.disk.freeBytes = 256 * 1024 * 1024;
    expect(await codeOf(bench.ingest.receivePack(run, inPieces(one), { announcedBytes: 1 }))).toBe('storage-full');
    expect(await codeOf(bench.ingest.missing(run, [dataChunk('b')]))).toBe('storage-full');
    expect((await bench.read(domainNo, [dataChunk('a')])).chunks.size).toBe(1);
    bench.disk.freeBytes += 1;
    await bench.ingest.receivePack(run, inPieces(one), { announcedBytes: 1 });
  });

  it('lets no run start, and keeps in the history why', async () => {
    const { storage, remove } = WatchedStorage.make();
    const server = new TestServer(db.database, storage);
    const agent = await server.agent(1, domainNo);
    await setQuota(0);
    expect(await codeOf(agent.start())).toBe('quota-exceeded');
    await setQuota(null);
    server.disk.freeBytes = 1;
    expect(await codeOf(agent.start())).toBe('storage-full');
    server.disk.freeBytes = 1e12;
    await agent.backUp();
    const runs = await server.all<{ state: string; error: string | null; ended: number }>(
      `select r.state, r.error, case when r.ended_at is null then 0 else 1 end as ended from runs r
       join tasks t on t.no = r.task_no where t.id = ? order by r.number`,
      [agent.taskId],
    );
    expect(runs).toMatchObject([
      { state: 'failed', error: expect.stringContaining('0 bytes are stored of 0') as string, ended: 1 },
      { state: 'failed', error: expect.stringContaining('MIN_FREE_BYTES') as string, ended: 1 },
      { state: 'succeeded', error: null, ended: 1 },
    ]);
    remove();
  });
});
