import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AGENT_SETTINGS } from '#common';
import { stackOf } from './support/compose';
import { FleetJourney } from './support/fleet-journey';
import { machine } from './support/judge';
import { ADMIN, finish } from './support/processes';

const ROOT = join(__dirname, '..');
const NODE_USER = 1000;
const client = stackOf('docker-compose.host.yml').services['client']!;

/** A service as the recipe lets it be: root, and of root's rights only `cap_add`. */
function startInRecipe(settings: Record<string, string>): ChildProcess {
  const bounds = ['-all', ...(client.cap_add ?? []).map((name) => `+${name.toLowerCase()}`)].join(',');
  const words = [`--bounding-set=${bounds}`, '--inh-caps=-all', '--no-new-privs', join(ROOT, 'bin/holdfast')];
  const kept = { PATH: process.env['PATH'], TZ: 'UTC' };
  return spawn('setpriv', words, { env: { ...kept, ...settings }, stdio: 'pipe' });
}

describe('docker-compose.host.yml', () => {
  it('keeps the state in a volume of its own, at a folder that the image leaves to root', () => {
    const { HOLDFAST_STATE_DIR: folder, HOST_ROOT: root } = client.environment ?? {};
    expect(client.user).toBe('0:0');
    for (const name of Object.keys(client.environment ?? {})) expect(AGENT_SETTINGS).toContain(name);
    expect(client.volumes).toEqual([`/:${String(root)}:ro`, `client_root_state:${String(folder)}`]);
    const image = readFileSync(join(ROOT, 'Dockerfile.client'), 'utf8');
    expect(image).toContain(`install -d -m 0700 -o root -g root ${String(folder)}\n`);
    const base = stackOf('docker-compose.client.yml').services['client']!;
    expect(base.cap_drop).toEqual(['ALL']);
    expect(base.volumes?.join(' ')).not.toContain('client_root_state');
  });
});

// CI has both: util-linux is part of Debian, and it runs as root.
if (machine.isRoot && machine.hasSetpriv)
  describe('the agent with the rights of docker-compose.host.yml', withItsRights);

function withItsRights(): void {
  let journey: FleetJourney;
  let service: ChildProcess | undefined;
  beforeAll(async () => (journey = await FleetJourney.begin(null)));
  afterAll(async () => {
    if (service?.exitCode === null) {
      service.kill('SIGKILL');
      await once(service, 'close');
    }
    await journey.end();
  });

  const stateOf = (owner: number, name: string): string => {
    const path = journey.makeFolder(name);
    chmodSync(path, 0o700);
    chownSync(path, owner, owner);
    return path;
  };

  it('starts, and saves what only its owner may read, by its path on the host', async () => {
    const secret = journey.path('host/home/ada/secret');
    mkdirSync(dirname(secret), { recursive: true });
    writeFileSync(secret, 'mine', { mode: 0o600 });
    chmodSync(dirname(secret), 0o700);
    for (const path of [secret, dirname(secret)]) chownSync(path, NODE_USER, NODE_USER);
    service = startInRecipe({
      SERVER_URL: journey.server.url,
      HOLDFAST_USERNAME: ADMIN.username,
      HOLDFAST_PASSWORD: ADMIN.password,
      CLIENT_NAME: 'host',
      CLIENT_UI_ENABLED: 'false',
      HOST_ROOT: journey.path('host'),
      MONITORED_PATHS: '/home',
      HOLDFAST_STATE_DIR: stateOf(0, 'root-state'),
    });
    const { id } = await journey.whenOnline('host');
    const run = await journey.whenRun(id, 'the first run has ended', ({ endedMs }) => endedMs !== null);
    expect(run).toMatchObject({ state: 'succeeded', files: 1 });
  });

  it('cannot start on the state of an agent that is uid 1000, hence the volume of its own', async () => {
    const settings = { HOLDFAST_STATE_DIR: stateOf(NODE_USER, 'node-state'), CLIENT_UI_PORT: '0' };
    const { code, stderr } = await finish(startInRecipe(settings));
    expect(code).toBe(1);
    expect(stderr).toMatch(/EACCES.*service\.lock/);
  });
}
