import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { API, type ForgetAnswer, type PinAnswer, type RetentionReport } from '#common';
import { Admin } from './support/admin';
import { AgentProcess, DATABASE_KINDS, ServerProcess, system, temporaryFolder } from './support/processes';

interface Restored {
  failed: { path: string; reason: string }[];
}

interface Snapshot {
  id: string;
  taskId: string;
}

describe.each(DATABASE_KINDS)('retention, through server and agent, on %s', (kind) => {
  let folder: { path: string; remove: () => void };
  let server: ServerProcess;
  let agent: AgentProcess;
  let admin: Admin;
  let source: string;

  beforeEach(async () => {
    folder = temporaryFolder('retention');
    source = join(folder.path, 'source');
    mkdirSync(source);
    server = await ServerProcess.on(kind, join(folder.path, 'data'));
    await server.start();
    agent = new AgentProcess(join(folder.path, 'state'));
    await agent.enroll(server);
    admin = await Admin.login(server.url);
  });
  afterEach(async () => {
    await server.end();
    folder.remove();
  });

  async function backUp(): Promise<Snapshot> {
    await agent.json(['backup', source]);
    const { snapshots } = await agent.json<{ snapshots: Snapshot[] }>(['snapshots']);
    return snapshots[0]!;
  }

  async function restore(id: string, codes: number[]): Promise<{ answer: Restored; at: (name: string) => string }> {
    const target = join(folder.path, `restored-${randomBytes(4).toString('hex')}`);
    const answer = await agent.json<Restored>(['restore', id, '--target', target], codes);
    return { answer, at: (name) => join(target, source, name) };
  }

  it('keeps the five newest of nine versions byte for byte, and a file that never changed in the same runs', async () => {
    await admin.setRetention({ retention_versions: 5 });
    writeFileSync(join(source, 'same'), randomBytes(50_000));
    const versions: { id: string; bytes: Buffer }[] = [];
    for (let at = 0; at < 9; at += 1) {
      const bytes = randomBytes(300_000 + at);
      writeFileSync(join(source, 'changing'), bytes);
      const { id } = await backUp();
      versions.push({ id, bytes });
    }
    const same = readFileSync(join(source, 'same'));
    for (const [at, { id, bytes }] of versions.entries()) {
      const isKept = at >= 4;
      const { answer, at: restored } = await restore(id, [isKept ? 0 : 3]);
      expect(readFileSync(restored('same')).equals(same)).toBe(true);
      expect(existsSync(restored('changing'))).toBe(isKept);
      if (isKept) expect(readFileSync(restored('changing')).equals(bytes)).toBe(true);
      else expect(answer.failed.map(({ path }) => path)).toEqual([join(source, 'changing')]);
    }
  }, 120_000);

  it('gives the space back: fewer bytes on the disk after retention and reclaim, and what is kept restores', async () => {
    await admin.setRetention({ retention_versions: 1 });
    writeFileSync(join(source, 'f'), randomBytes(3_000_000));
    await backUp();
    const newest = randomBytes(3_000_000);
    writeFileSync(join(source, 'f'), newest);
    const { id } = await backUp();
    const used = async (): Promise<number> =>
      Number((await system('du', ['-sb', join(folder.path, 'data', 'packs')])).split(/\s/)[0]);
    const before = await used();
    expect(before).toBeGreaterThan(6_000_000);
    expect(await admin.reclaim()).toMatchObject({ condemned: expect.any(Number) as number, swept: 0 });
    // The pack that was swept empty stays for RECLAIM_MOVED_DAYS.
    for (const hours of [49, 122]) {
      await server.kill('SIGTERM');
      await server.start({ HOLDFAST_CLOCK_AHEAD_SECONDS: String(hours * 3_600) });
      admin = await Admin.login(server.url);
      await admin.reclaim();
    }
    expect(await used()).toBeLessThan(before - 2_900_000);
    expect(readFileSync((await restore(id, [0])).at('f')).equals(newest)).toBe(true);
  }, 120_000);

  it('shows what a policy would remove before it is set, and holds what is pinned', async () => {
    writeFileSync(join(source, 'f'), randomBytes(200_000));
    const first = await backUp();
    writeFileSync(join(source, 'f'), randomBytes(200_000));
    await backUp();
    const simulate = (): Promise<RetentionReport> =>
      admin.call('POST', API.retentionSimulation('tasks', first.taskId), { retention_versions: 1 });
    const report = await simulate();
    expect(report).toMatchObject({
      removedVersions: 1,
      removedBytes: 200_000,
      freedBytes: 200_000,
      byReason: [{ reason: 'versions', versions: 1, bytes: 200_000 }],
    });
    expect(Buffer.from(report.examples[0]!.pathBase64, 'base64').toString()).toBe(join(source, 'f'));
    const pin = await admin.call<PinAnswer>('POST', API.pinSnapshot(first.id), { note: 'before the move' });
    expect(await simulate()).toMatchObject({ removedVersions: 0 });
    expect(await admin.call('GET', API.taskPins(first.taskId))).toEqual([pin]);
    await admin.setRetention({ retention_versions: 1 });
    writeFileSync(join(source, 'f'), randomBytes(200_000));
    await backUp();
    await restore(first.id, [0]);
    await admin.call('DELETE', API.pin(pin.id));
    expect(await admin.call('GET', API.taskPins(first.taskId))).toMatchObject([
      { kind: 'lease', snapshotId: first.id },
    ]);
  }, 120_000);

  it('forgets what an admin names, after showing it, and the agent backs up anew what is still there', async () => {
    mkdirSync(join(source, 'secret'));
    writeFileSync(join(source, 'secret', 'key'), 'key material');
    writeFileSync(join(source, 'f'), 'kept');
    const first = await backUp();
    const forget = (simulate: boolean): Promise<ForgetAnswer> =>
      admin.call('POST', API.forget(first.taskId), { pattern: `${source}/**/key`, simulate });
    expect(await forget(true)).toMatchObject({ simulated: true, paths: 1, versions: 1, bytes: 12 });
    expect(existsSync((await restore(first.id, [0])).at('secret/key'))).toBe(true);
    // The restore's lease holds the snapshot against everybody.
    expect(await forget(false)).toMatchObject({ versions: 0, kept: 1 });
    const [lease] = await admin.call<PinAnswer[]>('GET', API.taskPins(first.taskId));
    await admin.call('DELETE', API.pin(lease!.id));
    expect(await forget(false)).toMatchObject({ simulated: false, paths: 1, versions: 1 });
    expect(existsSync((await restore(first.id, [0, 3])).at('secret/key'))).toBe(false);
    const second = await backUp();
    expect(existsSync((await restore(second.id, [0])).at('secret/key'))).toBe(true);
  }, 120_000);
});
