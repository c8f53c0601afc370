import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { SnapshotsAnswer } from '#common';
import { stackOf } from './support/compose';
import { podman, podmanProblem, PodmanStack } from './support/podman';

const ROOT = join(__dirname, '..');
const MINUTE_MS = 60_000;
const BASES = ['docker.io/library/node:24-trixie-slim', 'docker.io/library/postgres:17.7-trixie'];
const STACK = stackOf('docker-compose.yml');
const S3 = STACK.services['storage']?.image ?? '';
const problem = podmanProblem([...BASES, S3]);

if (problem === null) describe('the images and the stack', buildAndStart);
else {
  it(`the images are not built here, for ${problem}`, () => {
    expect(problem).not.toBe('');
  });
}

/** For real: minutes, and a network. Elsewhere test/deploy.spec.ts reads the same files. */
function buildAndStart(): void {
  const stack = new PodmanStack(`holdfast-${randomBytes(4).toString('hex')}`, STACK);
  const inImage = (image: string, script: string): Promise<string> =>
    podman(
      'run',
      '--rm',
      '--network=none',
      '--ulimit=nofile=1024:4096',
      '--ulimit=nproc=4096:4096',
      '--entrypoint=sh',
      image,
      '-ec',
      script,
    );

  beforeAll(async () => {
    for (const app of ['server', 'client']) {
      const file = join(ROOT, `Dockerfile.${app}`);
      // HEALTHCHECK is of Docker's format only.
      await podman(
        'build',
        '--quiet',
        '--layers',
        '--format=docker',
        '--network=host',
        `--file=${file}`,
        `--tag=holdfast-${app}`,
        ROOT,
      );
    }
    // What is backed up, before the client looks.
    await podman(
      'run',
      '--rm',
      '--network=none',
      '--ulimit=nofile=1024:4096',
      '--ulimit=nproc=4096:4096',
      `--volume=${stack.container('client_data')}:/data`,
      BASES[0]!,
      'sh',
      '-c',
      'echo kept > /data/file',
    );
    await stack.up();
  }, 40 * MINUTE_MS);
  afterAll(() => stack.down(), 5 * MINUTE_MS);

  it('run as somebody without rights, are watched and stopped as they should be, and are small', async () => {
    for (const app of ['server', 'client']) {
      const [described] = JSON.parse(await podman('image', 'inspect', `holdfast-${app}`)) as [
        { Size: number; Healthcheck?: { Test: string[] }; Config: { User: string; StopSignal: string } },
      ];
      expect(described.Config).toMatchObject({ User: 'node', StopSignal: 'SIGTERM' });
      // Docker has it in Config.
      const check = app === 'server' ? ['deploy/compose/health.mjs'] : ['-e', expect.any(String) as string];
      expect(described.Healthcheck?.Test).toEqual(['CMD', 'node', ...check]);
      const [base] = JSON.parse(await podman('image', 'inspect', BASES[0]!)) as [{ Size: number }];
      // The client's also holds the tools of three databases.
      expect(described.Size - base.Size).toBeLessThan((app === 'server' ? 100 : 320) * 2 ** 20);
      await expect(inImage(`holdfast-${app}`, 'ls -a /app /app/node_modules')).resolves.not.toMatch(
        /^(jest|typescript|playwright-core|\.git|\.env|test|bench)$/m,
      );
    }
  });

  it('carry the tools of databases, pg_dump not older than the PostgreSQL of compose', async () => {
    const told = await inImage('holdfast-client', 'pg_dump --version; mariadb-dump --version; sqlite3 --version');
    const major = Number(/postgres:(\d+)/.exec(STACK.services['database']?.image ?? '')?.[1]);
    expect(Number(/pg_dump \(PostgreSQL\) (\d+)/.exec(told)?.[1])).toBeGreaterThanOrEqual(major);
    expect(told).toContain('mariadb-dump');
  });

  it('keep to uid 1000 and what is theirs to write, and show no secret in what a container is made of', async () => {
    for (const service of ['server', 'client']) {
      await expect(stack.exec(service, 'id', '-u')).resolves.toBe('1000\n');
      await expect(stack.exec(service, 'sh', '-c', 'touch /app/x || touch /etc/x || touch /x')).rejects.toThrow(
        /Read-only/,
      );
    }
    const password = (await stack.exec('server', 'cat', '/run/holdfast/admin-password')).trim();
    expect(password).toMatch(/^[0-9a-f]{64}$/);
    for (const service of Object.keys(STACK.services)) {
      const said = await podman('logs', stack.container(service));
      expect((await podman('inspect', stack.container(service))) + said).not.toContain(password);
    }
  });

  it('show the page of the client to who comes from outside its container, and ask him for the setup code', async () => {
    const look = `require('http').get({ host: 'client', port: 8080, headers: { host: 'localhost:8080' } }, (answer) => {
      answer.setEncoding('utf8').on('data', (text) => process.stdout.write(text));
    })`;
    await expect(stack.exec('server', 'node', '-e', look)).resolves.toMatch(/setup code/i);
    expect(await podman('logs', stack.container('client'))).toContain('setup code of the configuration page: ');
  });

  const snapshots = async (): Promise<SnapshotsAnswer['snapshots']> =>
    (JSON.parse(await stack.exec('client', 'holdfast', 'snapshots', '--json')) as SnapshotsAnswer).snapshots;

  it(
    'back up what stands at /data by themselves, and give it back',
    async () => {
      const deadline = Date.now() + 2 * MINUTE_MS;
      while ((await snapshots()).length === 0) {
        if (Date.now() > deadline) throw new Error(await podman('logs', stack.container('client')));
        await new Promise((done) => setTimeout(done, 1_000));
      }
      const restore = 'holdfast restore latest --target /tmp/restored 2>&1';
      // Such as a native library that the image lacks. Owners it cannot set.
      const notes = (await stack.exec('client', 'sh', '-c', restore)).split('\n').filter((line) => /^Note/.test(line));
      expect(notes.filter((note) => !note.includes('Owners were not restored'))).toEqual([]);
      await expect(stack.exec('client', 'cat', '/tmp/restored/data/file')).resolves.toBe('kept\n');
    },
    5 * MINUTE_MS,
  );

  it(
    'end by themselves when they are told to, and go on afterwards',
    async () => {
      for (const service of ['client', 'server']) {
        await podman('stop', '--time=30', stack.container(service));
        const code = await podman('inspect', '--format={{.State.ExitCode}}', stack.container(service));
        expect([service, code.trim()]).toEqual([service, '0']);
      }
      for (const service of ['server', 'client']) {
        await podman('start', stack.container(service));
        await stack.untilHealthy(service);
      }
      expect((await snapshots()).length).toBeGreaterThan(0);
    },
    5 * MINUTE_MS,
  );
}
