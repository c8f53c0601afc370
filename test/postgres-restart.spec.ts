import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FleetJourney, until } from './support/fleet-journey';
import { differences } from './support/judge';
import { OwnPostgres } from './support/own-postgres';
import { AgentProcess } from './support/processes';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;

describe('a server whose PostgreSQL crashes', () => {
  let postgres: OwnPostgres;
  let fleet: FleetJourney;

  beforeAll(async () => {
    postgres = await OwnPostgres.create();
    await postgres.start();
    fleet = await FleetJourney.begin(postgres.url, { RUN_LEASE_SECONDS: '300' });
  }, 120_000);
  afterAll(async () => {
    await fleet.end();
    await postgres.remove();
  });

  const stored = (kind: 'packs' | 'tasks'): number => {
    const path = fleet.path('data', kind);
    if (!existsSync(path)) return 0;
    return readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
  };

  async function crash(): Promise<void> {
    await postgres.kill();
    await postgres.start();
  }

  it('lets the agents finish what they were at, and hear commands again', async () => {
    const source = fleet.makeFolder('source-busy');
    for (let n = 0; n < 60; n += 1) writeFileSync(join(source, `large ${n}`), randomBytes(MIB));
    for (let n = 0; n < 3_000; n += 1) writeFileSync(join(source, `small ${n}`), `small file ${n}`);
    const service = fleet.machine('busy', { HOLDFAST_RETRY_SECONDS: '120', MONITORED_PATHS: source });
    service.start();

    await until('a pack is stored', () => stored('packs') > 0);
    await crash();
    const packs = stored('packs');
    await until('more packs are stored', () => stored('packs') > packs);
    await crash();
    await until('a manifest is stored', () => stored('tasks') > 0);
    await crash();

    // Connections of before the crash may still be met for a moment.
    await until('the server answers', () =>
      fleet.client('busy').then(
        (client) => client !== undefined,
        () => false,
      ),
    );
    const { id } = await fleet.whenOnline('busy');
    const run = await fleet.whenRun(id, 'the run it was at', ({ state }) => state === 'succeeded');
    expect(run).toMatchObject({ number: 1, trigger: 'first' });
    const task = await fleet.createTask(id, { name: 'told', paths: [source] });
    const told = await fleet.runNow(task.id);
    await fleet.whenRun(id, 'the run it was told', (found) => found.id === told && found.state === 'succeeded');
    await service.stop();

    const target = fleet.path('restored');
    await new AgentProcess(service.statePath).json(['restore', run.id, '--target', target]);
    expect(await differences(source, join(target, source))).toBe('');
  });
});
