import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { API, type DamageAnswer, type DamagedFilesAnswer } from '#common';
import { Admin } from './support/admin';
import { differences, itWith } from './support/judge';
import { AgentProcess, DATABASE_KINDS, ServerProcess, temporaryFolder } from './support/processes';

/** A machine whose large files lie in packs of their own: each is backed up by a run of its own. */
class Machine {
  readonly source: string;
  readonly agent: AgentProcess;

  constructor(
    private readonly home: string,
    readonly name: string,
  ) {
    this.source = join(home, name, 'source');
    mkdirSync(this.source, { recursive: true });
    this.agent = new AgentProcess(join(home, name, 'state'));
  }

  at(name: string): string {
    return join(this.source, name);
  }

  async backUp(): Promise<string> {
    await this.agent.json(['backup', this.source]);
    const { snapshots } = await this.agent.json<{ snapshots: { id: string }[] }>(['snapshots']);
    return snapshots[0]!.id;
  }

  /** Exit code, and where it went to. */
  async restore(id: string): Promise<{ target: string; failed: string[] }> {
    const target = join(this.home, `restored-${randomBytes(4).toString('hex')}`);
    const words = ['restore', id, '--target', target];
    const { failed } = await this.agent.json<{ failed: { path: string }[] }>(words, [0, 3]);
    return { target: join(target, this.source), failed: failed.map(({ path }) => path).sort() };
  }
}

describe.each(DATABASE_KINDS)('scrub, through server and agents, on %s', (kind) => {
  const folder = temporaryFolder('scrub');
  let server: ServerProcess;
  let admin: Admin;

  beforeAll(async () => {
    server = await ServerProcess.on(kind, join(folder.path, 'data'), { SCRUB_BYTES_PER_SECOND: '0' });
    await server.start();
    admin = await Admin.login(server.url);
  });
  afterAll(async () => {
    await server.end();
    folder.remove();
  });

  function packs(): Set<string> {
    const root = join(server.dataPath, 'packs');
    if (!existsSync(root)) return new Set();
    const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => join(root, name));
    return new Set(names.filter((path) => statSync(path).isFile()));
  }

  const damaged = (): Promise<DamageAnswer> => admin.call('GET', API.damage);
  /** `machine: files`, as the server names them. */
  async function named(): Promise<Record<string, string[]>> {
    const { tasks } = await damaged();
    const all: Record<string, string[]> = {};
    for (const { taskId, client } of tasks) {
      const { files } = await admin.call<DamagedFilesAnswer>('GET', API.taskDamage(taskId));
      all[client] = files.map(({ path }) => path).sort();
    }
    return all;
  }

  itWith('hasRsync')(
    'names exactly the files of exactly the machines that are hit; the next backups heal, byte for byte',
    async () => {
      const [one, two] = [new Machine(folder.path, 'one'), new Machine(folder.path, 'two')];
      const packOf = new Map<string, string>();
      for (const machine of [one, two]) {
        await machine.agent.enroll(server, machine.name);
        for (const name of ['flipped', 'gone', 'cut', 'whole']) {
          const before = packs();
          // One chunk each: so short that nothing is cut.
          writeFileSync(machine.at(name), randomBytes(250_000));
          await machine.backUp();
          packOf.set(
            machine.at(name),
            [...packs()].find((path) => !before.has(path))!,
          );
        }
      }
      const snapshot = await one.backUp();
      expect(await admin.run('scrub', { full: true })).toMatchObject({
        damagedChunks: 0,
        packsRead: 8,
        faultyPacks: 0,
      });
      expect(await damaged()).toEqual({ damagedChunks: 0, tasks: [], packs: [] });

      const flipped = packOf.get(one.at('flipped'))!;
      const bytes = readFileSync(flipped);
      bytes[200_000] = bytes[200_000]! ^ 4;
      writeFileSync(flipped, bytes);
      truncateSync(packOf.get(one.at('cut'))!, 100_000);
      rmSync(packOf.get(two.at('gone'))!);
      // The look alone finds the two that a listing shows.
      expect(await admin.run('scrub', {})).toMatchObject({ missingPacks: 1, misshapenPacks: 1, damagedChunks: 2 });
      expect(await admin.run('scrub', { full: true })).toMatchObject({ damagedChunks: 1, standingDamage: 3 });
      expect(await named()).toEqual({ one: [one.at('cut'), one.at('flipped')], two: [two.at('gone')] });
      const hit = (await damaged()).tasks.find(({ client }) => client === 'one')!;
      // 'flipped' was in the first snapshot and all after it; the machine made five.
      expect(hit.snapshots).toHaveLength(5);
      expect(hit.currentFiles).toBe(2);
      expect((await one.restore(snapshot)).failed).toEqual([one.at('cut'), one.at('flipped')]);

      for (const machine of [one, two]) await machine.backUp();
      expect(await damaged()).toMatchObject({ damagedChunks: 0, tasks: [] });
      const restored = await one.restore(snapshot);
      expect(restored.failed).toEqual([]);
      expect(await differences(one.source, restored.target)).toBe('');
      expect(await admin.run('scrub', { full: true })).toMatchObject({ damagedChunks: 0, standingDamage: 0 });
    },
    120_000,
  );
});
