import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { differences, itWith } from './support/judge';
import { DATABASE_KINDS, AgentProcess, ServerProcess, temporaryFolder } from './support/processes';
import { buildOddTree } from './support/tree';

interface BackupDocument {
  snapshot: string;
  state: 'succeeded' | 'partial';
  unsaved: { path: string; reason: string }[];
  notes: { path: string; reason: string }[];
}

describe.each(DATABASE_KINDS)('the main road on %s', (kind) => {
  const folder = temporaryFolder(`road-${kind}`);
  const source = join(folder.path, 'source');
  const agent = new AgentProcess(join(folder.path, 'state'));
  let server: ServerProcess;
  let tree: { close: () => Promise<void> };

  beforeAll(async () => {
    server = await ServerProcess.on(kind, join(folder.path, 'data'));
    expect(await server.start()).toBe('serving');
    mkdirSync(source);
    tree = await buildOddTree(source);
    const enrolled = await agent.enroll(server);
    expect(enrolled).toMatchObject({ code: 0 });
  });

  afterAll(async () => {
    await tree.close();
    await server.end();
    folder.remove();
  });

  async function restoreAndCompare(name: string, words: readonly string[] = ['latest']): Promise<void> {
    const target = join(folder.path, name);
    await agent.json(['restore', ...words, '--target', target]);
    expect(await differences(source, join(target, source), ['special/socket'])).toBe('');
    rmSync(target, { recursive: true });
  }

  itWith(
    'isRoot',
    'hasRsync',
    'hasAcl',
    'hasXattr',
  )('restores every kind of file exactly, and skips a socket with a note', async () => {
    const backup = await agent.json<BackupDocument>(['backup', source]);
    expect(backup.state).toBe('succeeded');
    expect(backup.unsaved).toEqual([]);
    expect(backup.notes).toEqual([expect.objectContaining({ path: join(source, 'special', 'socket') })]);
    await restoreAndCompare('restored-1');
    expect(spawnSync('du', ['-sm', join(source, 'sparse')]).stdout.toString()).toMatch(/^[01]\s/);
  });

  itWith(
    'isRoot',
    'hasRsync',
    'hasAcl',
    'hasXattr',
  )('leaves holes as holes', async () => {
    const target = join(folder.path, 'restored-holes');
    await agent.json(['restore', 'latest', '--target', target, '--path', join(source, 'sparse')]);
    const restored = join(target, source, 'sparse');
    expect(spawnSync('du', ['-sm', restored]).stdout.toString()).toMatch(/^[01]\s/);
    expect(spawnSync('cmp', [join(source, 'sparse', 'holes'), join(restored, 'holes')]).status).toBe(0);
    rmSync(target, { recursive: true });
  });

  itWith(
    'isRoot',
    'hasRsync',
    'hasAcl',
    'hasXattr',
  )('an unchanged tree costs no bytes; changes, renames and kinds that change come back as they were', async () => {
    await agent.json(['backup', source]);
    const before = await agent.json<{ snapshots: { id: string; newBytes: number; storedBytes: number }[] }>([
      'snapshots',
    ]);
    expect(before.snapshots[0]).toMatchObject({ newBytes: 0, storedBytes: 0 });

    const copy = join(folder.path, 'before');
    spawnSync('cp', ['-a', source, copy]);
    appendFileSync(join(source, 'files', 'large'), 'appended');
    renameSync(join(source, 'many'), join(source, 'renamed'));
    unlinkSync(join(source, 'files', 'small'));
    mkdirSync(join(source, 'files', 'small'));
    writeFileSync(join(source, 'files', 'small', 'inside'), 'a file became a directory');
    rmSync(join(source, 'empty directory'), { recursive: true });
    symlinkSync('files', join(source, 'empty directory'));
    rmSync(join(source, 'level 0'), { recursive: true });
    writeFileSync(join(source, 'level 0'), 'a directory became a file');
    chmodSync(join(source, 'files', 'one byte'), 0o600);
    unlinkSync(join(source, 'links', 'second name'));
    await agent.json(['backup', source]);
    await restoreAndCompare('restored-2');

    const { snapshots } = await agent.json<{ snapshots: { id: string; newBytes: number }[] }>(['snapshots']);
    expect(snapshots).toHaveLength(3);
    expect(snapshots[0]!.newBytes).toBeLessThan(8 * 1024 * 1024);
    // The snapshot before is still what it was.
    const target = join(folder.path, 'restored-old');
    await agent.json(['restore', snapshots[1]!.id, '--target', target]);
    expect(await differences(copy, join(target, source), ['special/socket'])).toBe('');
    rmSync(target, { recursive: true });

    const { versions } = await agent.json<{ versions: { snapshot: string; kind: string; size: number }[] }>([
      'history',
      join(source, 'files', 'large'),
    ]);
    expect(versions).toHaveLength(2);
    expect(versions.map((version) => version.size)).toEqual([20 * 1024 * 1024 + 8, 20 * 1024 * 1024]);
  });

  itWith(
    'isRoot',
    'hasRsync',
    'hasAcl',
    'hasXattr',
  )('an agent that lost its index reads and sends no more than one that has it', async () => {
    await agent.json(['backup', source]);
    const tasks = join(folder.path, 'state', 'tasks');
    rmSync(tasks, { recursive: true, force: true });
    await agent.json(['backup', source]);
    const { snapshots } = await agent.json<{ snapshots: { newBytes: number; readBytes: number }[] }>(['snapshots']);
    expect(snapshots[0]!.newBytes).toBe(0);
    // What changed less than a minute before it was read is read again by both; it grows older.
    expect(snapshots[0]!.readBytes).toBeLessThanOrEqual(snapshots[1]!.readBytes);
    await restoreAndCompare('restored-3');
  });
});
