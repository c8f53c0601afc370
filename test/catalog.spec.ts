import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { API, type MaintenanceAnswer } from '#common';
import { Admin } from './support/admin';
import { differences } from './support/judge';
import { AgentProcess, type Finished, ServerProcess, temporaryFolder } from './support/processes';

interface Report {
  readonly isWhole: boolean;
  readonly adoptedRuns: number;
  readonly appliedRemovals: number;
  readonly foundPacks: number;
  readonly heldTasks: { task: string; reason: string }[];
}

/** A machine, and what it looked like at each of its snapshots. */
class Machine {
  readonly source: string;
  readonly agent: AgentProcess;
  readonly copies = new Map<string, string>();

  constructor(
    private readonly home: string,
    readonly name: string,
  ) {
    this.source = join(home, name, 'source');
    mkdirSync(this.source, { recursive: true });
    this.agent = new AgentProcess(join(home, name, 'state'), { HOLDFAST_RETRY_SECONDS: '5' });
  }

  write(name: string, bytes: Buffer | string): void {
    const path = join(this.source, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, bytes);
  }

  async backUp(): Promise<string> {
    await this.agent.json(['backup', this.source]);
    const { snapshots } = await this.agent.json<{ snapshots: { id: string }[] }>(['snapshots']);
    const { id } = snapshots[0]!;
    const copy = join(this.home, `${this.name}-${id}`);
    cpSync(this.source, copy, { recursive: true, preserveTimestamps: true });
    this.copies.set(id, copy);
    return id;
  }

  /** What differs between the snapshot and the machine as it was then, directories' times aside. */
  async judge(id: string): Promise<string> {
    const target = join(this.home, `restored-${randomBytes(4).toString('hex')}`);
    await this.agent.json(['restore', id, '--target', target]);
    const found = await differences(this.copies.get(id)!, join(target, this.source));
    rmSync(target, { recursive: true });
    return found
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('.d..t'))
      .join('\n');
  }
}

describe('a catalog that is lost', () => {
  const folder = temporaryFolder('catalog');
  let server: ServerProcess;
  let one: Machine;
  let two: Machine;

  beforeEach(async () => {
    const home = join(folder.path, randomBytes(4).toString('hex'));
    server = await ServerProcess.create(join(home, 'data'));
    await server.start();
    one = new Machine(home, 'one');
    two = new Machine(home, 'two');
    await one.agent.enroll(server, 'one');
  }, 120_000);
  afterEach(() => server.kill());
  afterAll(() => {
    folder.remove();
  });

  const database = (): string => join(server.dataPath, 'holdfast.sqlite');
  const loseDatabase = (): void => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(database() + suffix, { force: true });
  };
  const reportOf = ({ code, stdout, stderr }: Finished): Report => {
    if (code !== 0) throw new Error(`restore-catalog ended with ${String(code)}: ${stdout}\n${stderr}`);
    return JSON.parse(stdout) as Report;
  };

  it('comes back from a dump and from what storage knows beyond it', async () => {
    one.write('small', 'small');
    one.write('large', randomBytes(6 * 1024 * 1024));
    one.write('sub/goes', 'goes');
    const first = await one.backUp();
    expect((await server.command(['catalog', 'dump'])).stdout).toContain('catalog-dump: succeeded');
    // Beyond the dump: changed, deleted and new files, a new machine, a removal, somebody revoked, a task of somebody new.
    let admin = await Admin.login(server.url);
    one.write('small', 'changed');
    one.write('larger', randomBytes(12 * 1024 * 1024));
    rmSync(join(one.source, 'sub/goes'));
    const second = await one.backUp();
    await two.agent.enroll(server, 'two');
    two.write('other', randomBytes(700_000));
    // Shared with the first machine: no pack of its own has it.
    cpSync(join(one.source, 'large'), join(two.source, 'large'));
    const others = await two.backUp();
    const three = new Machine(join(folder.path, 'three'), 'three');
    await three.agent.enroll(server, 'three');
    three.write('x', 'x');
    await three.backUp();
    const { clients } = await admin.call<{ clients: { id: string; name: string }[] }>('GET', API.clients);
    const revoked = clients.find(({ name }) => name === 'three')!;
    await admin.call('POST', API.users, { username: 'eve', password: 'password of eve', role: 'viewer' });
    // Acknowledged once storage knows of it, and with it of all that was changed before: eve, too.
    await admin.call('POST', `${API.client(revoked.id)}/revoke`);
    await admin.setRetention({ retention_versions: 1 });
    await admin.run('retention', {});
    await server.command(['retention']);

    await server.kill();
    loseDatabase();
    expect(await server.start()).toBe('ended');
    expect(server.log).toContain('holdfast-server restore-catalog');
    const listed = await server.command(['restore-catalog', '--list']);
    expect(listed.stdout).toMatch(/^catalog\/[0-9]{16}-[0-9a-f-]{36} {2}20/);
    const report = reportOf(await server.command(['restore-catalog', '--json']));
    expect(report).toMatchObject({ isWhole: true, heldTasks: [], adoptedRuns: 3 });
    expect(report.appliedRemovals).toBeGreaterThan(0);

    expect(await server.start()).toBe('serving');
    admin = await Admin.login(server.url);
    expect((await admin.call<MaintenanceAnswer>('GET', API.maintenance)).stops).toEqual([]);
    expect(await one.judge(second)).toBe('');
    expect(await two.judge(others)).toBe('');
    const eve = JSON.stringify({ username: 'eve', password: 'password of eve' });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(server.url + API.login, { method: 'POST', headers, body: eve })).status).toBe(200);
    expect((await three.agent.run(['backup', three.source])).code).not.toBe(0);
    // What retention took stays gone.
    const versions = await one.agent.run(['restore', first, '--target', join(folder.path, 'gone')]);
    expect(versions.code).toBe(3);
    // Backups go on, and reclaim deletes nothing that is needed.
    one.write('after', 'after');
    const third = await one.backUp();
    await server.kill('SIGTERM');
    for (const hours of [0, 50, 52, 80, 200]) {
      const clock = { HOLDFAST_CLOCK_AHEAD_SECONDS: String(hours * 3_600) };
      await server.command(['reclaim'], clock);
    }
    await server.start();
    expect(await one.judge(third)).toBe('');
    expect(await two.judge(others)).toBe('');
  }, 400_000);

  it('goes on after a kill at any point of its restore', async () => {
    one.write('small', 'small');
    one.write('large', randomBytes(3 * 1024 * 1024));
    await one.backUp();
    await server.command(['catalog', 'dump']);
    one.write('larger', randomBytes(5 * 1024 * 1024));
    const second = await one.backUp();
    await server.kill();
    loseDatabase();
    // Each on what the one before has left, so that it goes on from there or begins anew.
    for (const point of [
      'catalog.load:before-commit',
      'catalog.load:after-commit#6',
      'catalog.adopt:after-commit',
      'catalog.adopt:before-commit#6',
      'catalog.adopt:after-commit#9',
    ]) {
      const killed = await server.command(['restore-catalog'], { HOLDFAST_KILL_AT: point });
      expect([point, killed.signal ?? killed.stderr]).toEqual([point, 'SIGKILL']);
    }
    expect(await server.start()).toBe('ended');
    expect(server.log).toContain('is not finished');
    expect(reportOf(await server.command(['restore-catalog', '--json']))).toMatchObject({ isWhole: true });
    expect(await server.start()).toBe('serving');
    expect(await one.judge(second)).toBe('');
  }, 400_000);

  it('that was put back by hand, older than its storage, takes over the rest', async () => {
    one.write('small', 'small');
    await one.backUp();
    await server.kill('SIGTERM');
    const older = readFileSync(database());
    await server.start();
    one.write('later', randomBytes(2 * 1024 * 1024));
    const second = await one.backUp();
    await server.kill('SIGTERM');
    loseDatabase();
    writeFileSync(database(), older);
    await server.start();
    const admin = await Admin.login(server.url);
    const { stops } = await admin.call<MaintenanceAnswer>('GET', API.maintenance);
    expect(stops).toMatchObject([{ kind: 'storage-ahead', text: expect.stringContaining('--adopt') as string }]);
    const early = await server.command(['restore-catalog', '--adopt', '--server-is-stopped']);
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('Another server works on this database')]);
    await server.kill('SIGTERM');
    const soon = await server.command(['restore-catalog', '--adopt']);
    expect([soon.code, soon.stderr]).toEqual([1, expect.stringContaining('Stop all of them')]);
    const report = reportOf(await server.command(['restore-catalog', '--adopt', '--server-is-stopped', '--json']));
    expect(report).toMatchObject({ isWhole: true, adoptedRuns: 1 });
    await server.start();
    expect(await one.judge(second)).toBe('');
    one.write('last', 'last');
    expect(await one.judge(await one.backUp())).toBe('');
  }, 400_000);

  it('is left alone by what does not fit, holds a task whose run is lost, and goes on where chunks are', async () => {
    one.write('small', 'small');
    await one.backUp();
    const served = await server.command(['restore-catalog']);
    expect([served.code, served.stderr]).toEqual([1, expect.stringContaining('Another server works on this database')]);
    await server.command(['catalog', 'dump']);
    const packsBefore = new Set(packs(server));
    one.write('lost', randomBytes(500_000));
    await one.backUp();
    await server.kill();
    const used = await server.command(['restore-catalog']);
    expect([used.code, used.stderr]).toEqual([1, expect.stringContaining('not empty')]);
    loseDatabase();
    const [name = ''] = readdirSync(join(server.dataPath, 'catalog'));
    const file = join(server.dataPath, 'catalog', name);
    const whole = readFileSync(file);
    const flipped = Buffer.from(whole);
    flipped[whole.length >> 1]! ^= 1;
    for (const bad of [whole.subarray(0, whole.length - 20), flipped]) {
      writeFileSync(file, bad);
      const result = await server.command(['restore-catalog']);
      expect([result.code, result.stderr]).toEqual([1, expect.stringContaining('Nothing was changed')]);
      expect(existsSync(database())).toBe(false);
    }
    writeFileSync(file, whole);
    const identity = join(server.dataPath, 'repository.json');
    const own = readFileSync(identity);
    writeFileSync(identity, `{"id":"01234567-89ab-4cde-8f01-23456789abcd","format":1}\n`);
    const foreign = await server.command(['restore-catalog']);
    expect([foreign.code, foreign.stderr]).toEqual([1, expect.stringContaining('is a dump of repository')]);
    expect(existsSync(database())).toBe(false);
    writeFileSync(identity, own);
    for (const path of packs(server)) if (!packsBefore.has(path)) rmSync(path);
    // The file is known, as damaged, and comes back with the next backup.
    expect(reportOf(await server.command(['restore-catalog', '--json']))).toMatchObject({
      ...{ isWhole: true, adoptedRuns: 1, heldTasks: [], lostChunks: 1 },
    });
    await server.start();
    expect(await one.judge(await one.backUp())).toBe('');
    await server.kill();
    loseDatabase();
    const runs = readdirSync(join(server.dataPath, 'tasks'), { recursive: true, encoding: 'utf8' });
    const newest = runs.find((path) => path.includes('/run-3-')) ?? '';
    writeFileSync(join(server.dataPath, 'tasks', newest), 'no manifest');
    const held = await server.command(['restore-catalog', '--json']);
    expect(held.code).toBe(3);
    expect(JSON.parse(held.stdout)).toMatchObject({ isWhole: false, heldTasks: [{}] });
    await server.start();
    const refused = await one.agent.run(['backup', one.source]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr + refused.stdout).toContain('not wholly');
    // The admin gives up what is lost: backups go on, and bring it anew.
    const admin = await Admin.login(server.url);
    const { stops } = await admin.call<MaintenanceAnswer>('GET', API.maintenance);
    await admin.call('POST', API.acknowledgeStop('storage-ahead'), { state: stops[0]!.state });
    expect(await one.judge(await one.backUp())).toBe('');
  }, 400_000);
});

function packs(server: ServerProcess): string[] {
  const root = join(server.dataPath, 'packs');
  return readdirSync(root, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
