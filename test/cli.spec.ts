import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { AgentProcess, DATABASE_KINDS, ServerProcess, temporaryFolder } from './support/processes';

const MIB = 1024 * 1024;
const ODD = Buffer.from([0x6f, 0x64, 0x64, 0xff, 0x0a]);

interface Found {
  entries: { path: string; pathBase64?: string; snapshot: string; endReason?: string | null; snapshotCount?: number }[];
}

describe.each(DATABASE_KINDS)('the command line over what is stored, on %s', (kind) => {
  const folder = temporaryFolder('cli');
  const source = join(folder.path, 'source');
  const data = join(folder.path, 'data');
  const agent = new AgentProcess(join(folder.path, 'state'));
  let server: ServerProcess;
  const snapshots: string[] = [];

  const backUp = async (...words: string[]): Promise<void> => {
    snapshots.push((await agent.json<{ snapshot: string }>(['backup', ...words])).snapshot);
  };

  beforeAll(async () => {
    server = await ServerProcess.on(kind, data);
    expect(await server.start()).toBe('serving');
    expect(await agent.enroll(server)).toMatchObject({ code: 0 });
    mkdirSync(join(source, 'sub'), { recursive: true });
    writeFileSync(join(source, 'large'), randomBytes(12 * MIB));
    writeFileSync(join(source, 'sub', 'notes.md'), 'one');
    writeFileSync(Buffer.concat([Buffer.from(`${source}/`), ODD]), 'odd');
    symlinkSync('large', join(source, 'link'));
    await backUp(source);
    writeFileSync(join(source, 'sub', 'notes.md'), 'two, and longer');
    chmodSync(join(source, 'large'), 0o600);
    rmSync(join(source, 'link'));
    mkdirSync(join(source, 'new'));
    await backUp(source);
    await backUp(join(source, 'sub'), '--task', 'sub');
  });

  afterAll(async () => {
    await server.end();
    folder.remove();
  });

  it('finds names and paths, also such as are no text, in the newest snapshot of every task or in all of them', async () => {
    const notes = await agent.json<Found>(['find', '*.md']);
    expect(notes.entries.map(({ snapshot }) => snapshot)).toEqual(snapshots.slice(1));
    const odd = await agent.json<Found>(['find', `${source}/odd*`]);
    expect(odd.entries).toHaveLength(1);
    expect(Buffer.from(odd.entries[0]?.pathBase64 ?? '', 'base64').subarray(source.length + 1)).toEqual(ODD);
    await expect(agent.json(['find', 'link'])).resolves.toMatchObject({ entries: [] });
    const old = await agent.json<Found>(['find', 'link', '--snapshot', snapshots[0]!]);
    expect(old.entries).toHaveLength(1);
    const all = await agent.json<Found>(['find', `${source}/**`, '--all']);
    const told = all.entries.map(({ path, endReason, snapshotCount }) => [
      path.slice(source.length + 1),
      endReason,
      snapshotCount,
    ]);
    expect(told).toEqual([
      ['large', 'replaced', 1],
      ['large', null, 1],
      ['link', 'deleted', 1],
      ['new', null, 1],
      [ODD.toString(), null, 2],
      ['sub', null, 2],
      ['sub/notes.md', 'replaced', 1],
      ['sub/notes.md', null, 1],
      ['sub', null, 1],
      ['sub/notes.md', null, 1],
    ]);
  });

  it('tells what changed between two snapshots', async () => {
    const { stdout, code } = await agent.run(['diff', snapshots[0]!, snapshots[1]!]);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    // The directories above the source are saved too, and belong to everybody: other tests change /tmp meanwhile.
    expect(lines.filter((line) => line.includes(source)).map((line) => line.replace(source, ''))).toEqual([
      'M / (mtime)',
      'M /large (mode)',
      '- /link',
      '+ /new/',
      'M /sub/notes.md (content, mtime)',
    ]);
    expect(lines.at(-1)).toBe(`1 added, 1 removed, ${lines.filter((line) => line.startsWith('M ')).length} changed.`);
  });

  it('lists runs and what they take', async () => {
    const { runs } = await agent.json<{ runs: { id: string; state: string }[] }>(['runs']);
    expect(runs.map(({ id, state }) => [id, state])).toEqual(snapshots.toReversed().map((id) => [id, 'succeeded']));
    await expect(agent.json(['runs', 'latest'])).resolves.toMatchObject({ id: snapshots[2], unsaved: [], notes: [] });
    const stats = await agent.json<{ storedBytes: number; logicalBytes: number }>(['stats']);
    expect(stats).toMatchObject({ snapshotCount: 3, storedWithoutSnapshotBytes: 0 });
    expect(stats.logicalBytes).toBeGreaterThan(24 * MIB);
    // The counters leave out what frames a pack.
    const inStorage = packs().reduce((sum, pack) => sum + readFileSync(pack).length, 0);
    expect(stats.storedBytes).toBeLessThanOrEqual(inStorage);
    expect(stats.storedBytes).toBeGreaterThan(0.99 * inStorage);
  });

  it('prints completions that bash takes, and a manual page', async () => {
    const { stdout } = await agent.run(['completion', 'bash']);
    execFileSync('bash', ['-n', '-c', stdout]);
    expect((await agent.run(['man'])).stdout).toContain('.SH COMMANDS');
  });

  it('finds a byte that turned in a pack when it reads the data, and knows of it from then on', async () => {
    await expect(agent.json(['check'])).resolves.toMatchObject({ state: 'succeeded', damagedCount: 0 });
    const sound = await agent.json<{ readBytes: number }>(['check', '--read-data']);
    expect(sound).toMatchObject({ state: 'succeeded', damagedCount: 0 });
    expect(sound.readBytes).toBeGreaterThanOrEqual(12 * MIB);
    expect(sound.readBytes).toBeLessThan(13 * MIB);

    // The largest pack holds chunks of the large file and nothing else.
    const large = packs().reduce((one, other) => (statSync(other).size > statSync(one).size ? other : one));
    const bytes = readFileSync(large);
    expect(bytes.length).toBeGreaterThan(3 * MIB);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    chmodSync(large, 0o600);
    writeFileSync(large, bytes);
    await expect(agent.json(['check'])).resolves.toMatchObject({ state: 'succeeded' });
    const damaged = { path: join(source, 'large'), task: 'cli' };
    for (const words of [['check', '--read-data'], ['check']]) {
      await expect(agent.json(words, [1])).resolves.toMatchObject({
        state: 'failed',
        damagedCount: 2,
        damaged: [
          { ...damaged, snapshot: snapshots[0] },
          { ...damaged, snapshot: snapshots[1] },
        ],
      });
    }
    await expect(agent.json(['check', snapshots[2]!])).resolves.toMatchObject({ state: 'succeeded' });

    // The next backup stores again what is there still.
    await backUp(source);
    await expect(agent.json(['check', '--read-data'])).resolves.toMatchObject({ state: 'succeeded', damagedCount: 0 });
  });

  function packs(): string[] {
    const root = join(data, 'packs');
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((item) => item.isFile())
      .map((item) => join(item.parentPath, item.name));
  }
});
