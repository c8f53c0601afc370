import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGENT_SECRETS, AGENT_SETTINGS, SERVER_SECRETS, SERVER_SETTINGS } from '#common';
import { loadServiceSettings } from '../apps/client/src/config/service-settings';
import { loadServerSettings } from '../apps/server/src/config/server-settings';
import { enrolmentView } from '../apps/server/src/fleet/enrolment.view';
import { Moments } from '../apps/server/src/pages/moments';
import { dotEnvOf, interpolated, stackOf } from './support/compose';

const ROOT = join(__dirname, '..');
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const FILES = ['docker-compose.yml', 'docker-compose.server.yml', 'docker-compose.client.yml'];

describe.each(FILES)('%s', (file) => {
  const { services, volumes } = stackOf(file);
  const all = Object.entries(services);

  it('names services, volumes and Dockerfiles that there are, and images by their version', () => {
    for (const [name, service] of all) {
      for (const needed of Object.keys(service.depends_on ?? {})) expect(Object.keys(services)).toContain(needed);
      for (const volume of service.volumes ?? [])
        expect([name, Object.keys(volumes)]).toEqual([name, expect.arrayContaining([volume.split(':')[0]])]);
      if (service.build === undefined) expect(service.image).toMatch(/:v?\d+\.\d+/);
      else expect(existsSync(join(ROOT, service.build.dockerfile))).toBe(true);
      expect([name, service.mem_limit]).toEqual([name, expect.stringMatching(/^\d+[mg]$/)]);
    }
  });

  it('holds no secret: what is one is a file, or comes from the environment with nothing as its default', () => {
    for (const [name, service] of all) {
      for (const [variable, value] of Object.entries(service.environment ?? {})) {
        if (!/PASSWORD|SECRET|TOKEN|KEY|CODE|DATABASE_URL/.test(variable) || variable.endsWith('_FILE')) continue;
        expect([name, variable, value]).toEqual([name, variable, expect.stringMatching(/^(\$\{[A-Z_]+:-\})?$/)]);
      }
    }
    expect(textOf(file)).not.toMatch(/change.?me|minioadmin|postgres:postgres/i);
  });

  it('publishes the server and, on this machine only, the page of the client, and nothing else', () => {
    for (const [name, { ports = [] }] of all) {
      const expected =
        { server: ['${PORT:-8000}:8000'], client: ['127.0.0.1:${CLIENT_UI_PORT:-8080}:8080'] }[name] ?? [];
      expect([name, ports]).toEqual([name, expected]);
    }
  });

  it('gives both apps settings that they know, and the server all of .env but what stands in files', () => {
    const known = (names: readonly string[], secrets: readonly string[]): string[] => [
      ...names,
      ...secrets.map((secret) => `${secret}_FILE`),
    ];
    const { server, client } = services;
    if (server !== undefined) {
      const given = Object.keys(server.environment ?? {});
      for (const name of given) expect(known(SERVER_SETTINGS, SERVER_SECRETS)).toContain(name);
      expect(server.env_file).toEqual([{ path: '.env', required: false }]);
      // What .env says of these was put into their files: given twice, the server would refuse them.
      const inFiles = given.filter((name) => name.endsWith('_FILE'));
      expect(inFiles.length).toBeGreaterThan(4);
      for (const name of inFiles) expect(server.environment?.[name.replace(/_FILE$/, '')]).toBe('');
    }
    const names = Object.keys(client?.environment ?? {}).filter((name) => name !== 'TZ');
    for (const name of names) expect(known(AGENT_SETTINGS, AGENT_SECRETS)).toContain(name);
  });

  it('waits for what is needed to be healthy or done', () => {
    for (const [, service] of all) {
      for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
        const isOneShot = ['secrets', 'enrol'].includes(needed);
        expect(condition).toBe(isOneShot ? 'service_completed_successfully' : 'service_healthy');
        const target = services[needed]!;
        const isWatched =
          target.healthcheck !== undefined ||
          (target.build !== undefined && textOf(target.build.dockerfile).includes('HEALTHCHECK'));
        expect([needed, isWatched]).toEqual([needed, true]);
      }
    }
  });
});

describe('.env.example, copied to .env as its first line says', () => {
  const example = dotEnvOf('.env.example');
  /** Where it says something else than compose without a `.env`, and why it may. */
  const deliberate: Readonly<Record<string, string>> = {
    ADMIN_USERNAME: 'an empty one is admin, too',
    DATABASE_PATH: 'the same file, seen from /app; and the stack has PostgreSQL',
  };
  const imageOf = (file: string): Record<string, string> => {
    const lines = [...textOf(file).matchAll(/^ENV (.*)$/gm)].map(([, line = '']) => line);
    return Object.fromEntries(
      lines.flatMap((line) => line.split(' ')).map((pair) => pair.split('=') as [string, string]),
    );
  };
  const inCompose = (file: string, service: string, dotEnv: Record<string, string>): Record<string, string> => {
    const { environment = {} } = stackOf(file).services[service]!;
    return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, interpolated(value, dotEnv)]));
  };

  it.each([...FILES, 'docker-compose.host.yml'])('leaves every variable of %s at its default there', (file) => {
    for (const [, name = '', otherwise = ''] of textOf(file).matchAll(/\$\{([A-Z0-9_]+):-([^}]*)\}/g)) {
      if (name in deliberate) continue;
      expect([name, example[name] || otherwise]).toEqual([name, otherwise]);
    }
  });

  it('leaves what the images set as it is, where all of .env reaches the container', () => {
    const { environment = {} } = stackOf('docker-compose.server.yml').services['server']!;
    for (const [name, value] of Object.entries(imageOf('Dockerfile.server'))) {
      if (name in environment || name in deliberate || !(name in example)) continue;
      expect([name, example[name] || value]).toEqual([name, value]);
    }
  });

  it('makes the same server as no .env, one that makes the bucket of the empty storage', () => {
    const settingsWith = (dotEnv: Record<string, string>): object => {
      const given = {
        ...imageOf('Dockerfile.server'),
        ...dotEnv,
        ...inCompose('docker-compose.yml', 'server', dotEnv),
      };
      const secrets = {
        DATABASE_URL: 'postgresql://database/holdfast',
        AWS_ACCESS_KEY_ID: 'k',
        AWS_SECRET_ACCESS_KEY: 's',
      };
      const noFiles = Object.entries(given).filter(([name]) => !name.endsWith('_FILE'));
      const settings = loadServerSettings({ ...Object.fromEntries(noFiles), ...secrets });
      return Object.assign(settings, {
        origins: null,
        databasePath: null,
        adminUsername: settings.adminUsername ?? 'admin',
      });
    };
    expect(settingsWith(example)).toEqual(settingsWith({}));
    expect(settingsWith(example)).toMatchObject({ s3: { createBucket: true } });
  });

  it('makes the same agent as no .env, one that runs commands of the server', () => {
    const machine = { hostName: 'box', isContainer: true, timeZone: 'UTC' };
    const settingsWith = (dotEnv: Record<string, string>): object => {
      const given = { ...imageOf('Dockerfile.client'), ...inCompose('docker-compose.client.yml', 'client', dotEnv) };
      return loadServiceSettings(given, machine);
    };
    expect(settingsWith(example)).toEqual(settingsWith({}));
    expect(settingsWith(example)).toMatchObject({ grants: { remoteCommands: true } });
  });
});

describe('the commands that the page shows for compose', () => {
  it('set what the two compose files pass on: compose drops every other name in silence', () => {
    const { compose } = enrolmentView({
      name: 'box',
      paths: '/home',
      code: 'CODE',
      expiresAtMs: 0,
      serverUrl: 'https://backup.example.org',
      certificate: { fingerprint: 'ab'.repeat(32), isSelfSigned: true },
      moments: new Moments('UTC', 0),
    });
    const page = textOf('apps/server/src/views/pages/clients/enrolment.hbs');
    const shown = [...compose.matchAll(/^([A-Z_]+)=/gm), ...page.matchAll(/<code>(SERVER_[A-Z_]+)/g)];
    const names = new Set(shown.map(([, name = '']) => name));
    expect(names).toContain('SERVER_CERT_FINGERPRINT');
    expect(names).toContain('SERVER_CA_FILE');
    const files = [...compose.matchAll(/ -f (\S+)/g)].map(([, file = '']) => file);
    expect(files).toEqual(['docker-compose.client.yml', 'docker-compose.host.yml']);
    const [client, host] = files.map((file) => stackOf(file).services.client!.environment ?? {});
    for (const name of names) {
      const passedOn = { ...client, ...host }[name];
      const own = name === 'MONITORED_PATHS' ? /^\$\{MONITORED_PATHS:\?.+\}$/ : new RegExp(`^\\$\\{${name}:-\\}$`);
      expect([name, passedOn]).toEqual([name, expect.stringMatching(own)]);
    }
  });
});

describe.each(['Dockerfile.server', 'Dockerfile.client'])('%s', (file) => {
  const text = textOf(file);

  it('builds in stages on node:24-trixie-slim, and ends as a user without rights, watched', () => {
    expect(text.match(/^FROM .*$/gm)).toEqual(['FROM node:24-trixie-slim AS build', 'FROM node:24-trixie-slim']);
    const last = text.slice(text.lastIndexOf('\nFROM'));
    for (const line of ['USER node', 'HEALTHCHECK', 'VOLUME', 'ENTRYPOINT ["node"', 'STOPSIGNAL SIGTERM'])
      expect(last).toContain(line);
    expect(last).not.toContain('npm ci');
    expect(text).toContain('npm prune --omit=dev');
  });

  it('copies what there is', () => {
    const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) => sources.split(' '));
    expect(copied.length).toBeGreaterThan(5);
    for (const source of copied) expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
  });

  it('gives Node the flags that the launcher gives', () => {
    const launcher = textOf(file === 'Dockerfile.server' ? 'bin/holdfast-server' : 'bin/holdfast');
    const flags = /^flags='?([^'\n]*)'?$/m.exec(launcher)?.[1]?.split(' ') ?? [];
    for (const flag of flags) expect(text).toContain(`"${flag}"`);
  });
});

describe('scripts/slim-modules.mjs', () => {
  it('leaves what is loaded, and fails when something cannot be', () => {
    const { packages } = JSON.parse(textOf('package-lock.json')) as { packages: Record<string, { dev?: boolean }> };
    const production = Object.keys(packages).filter(
      (path) => path !== '' && packages[path]?.dev !== true && existsSync(join(ROOT, path)),
    );
    mkdirSync(join(ROOT, 'dist'), { recursive: true });
    const folder = mkdtempSync(join(ROOT, 'dist/slim-'));
    const modules = join(folder, 'node_modules');
    const slim = (): void => {
      execFileSync(process.execPath, ['scripts/slim-modules.mjs', modules], { cwd: ROOT, stdio: 'pipe' });
    };
    try {
      // Links: what is taken out there stays here.
      execFileSync('cp', ['-al', '--parents', ...production, folder], { cwd: ROOT });
      slim();
      expect(existsSync(join(modules, 'better-sqlite3/deps'))).toBe(false);
      rmSync(join(modules, 'koffi/src'), { recursive: true });
      expect(slim).toThrow(/Cannot find module/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 300_000);
});

describe('troubleshooting', () => {
  it('has every alert by its name', () => {
    const alerts = [...textOf('deploy/monitoring/alerts.yml').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    expect(alerts.length).toBeGreaterThan(10);
    for (const name of alerts) expect(textOf('docs/operations/troubleshooting.md')).toContain(name);
  });
});

describe.each(['holdfast-server.service', 'holdfast-agent.service'])('%s', (unit) => {
  it('starts the launcher that there is, with settings that are known', () => {
    const text = textOf(`deploy/systemd/${unit}`);
    const launcher = /^ExecStart=\/opt\/holdfast\/(\S+)$/m.exec(text)?.[1] ?? '';
    expect(existsSync(join(ROOT, launcher))).toBe(true);
    const names = [...text.matchAll(/^Environment=(\w+)=/gm)].map(([, name]) => name);
    for (const name of names) expect(['NODE_ENV', ...SERVER_SETTINGS, ...AGENT_SETTINGS]).toContain(name);
    expect(text).toContain('RestartPreventExitStatus=2');
  });
});

describe('the secrets of compose', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-secrets-'));
    for (const name of ['server', 'database', 'storage']) mkdirSync(join(folder, name));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const make = (env: Record<string, string> = {}): string =>
    execFileSync(process.execPath, [join(ROOT, 'deploy/compose/make-secrets.mjs'), folder], { env, encoding: 'utf8' });
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8').trim();

  it('are made once, are good settings, fit together, and are not printed', () => {
    const printed = make();
    const file = (name: string): string => join(folder, 'server', name);
    const settings = loadServerSettings({
      DATABASE_URL_FILE: file('database-url'),
      S3_BUCKET: 'holdfast',
      AWS_ACCESS_KEY_ID_FILE: file('s3-access-key'),
      AWS_SECRET_ACCESS_KEY_FILE: file('s3-secret-key'),
      ADMIN_PASSWORD_FILE: file('admin-password'),
      SECRET_KEY_FILE: file('secret-key'),
      METRICS_TOKEN_FILE: file('metrics-token'),
    });
    expect(new URL(settings.databaseUrl ?? '').password).toBe(read('database/password'));
    expect(settings.s3?.credentials).toEqual({
      accessKeyId: read('storage/access-key'),
      secretAccessKey: read('storage/secret-key'),
    });
    const secrets = [settings.adminPassword, settings.secretKey, settings.metricsToken, read('database/password')];
    expect(new Set(secrets).size).toBe(4);
    for (const secret of secrets) expect(printed).not.toContain(secret);
    expect(make()).toBe('');
    expect(read('server/admin-password')).toBe(settings.adminPassword);
  });

  it('are those of the environment where it has some', () => {
    make();
    make({ ADMIN_PASSWORD: 'one of the operator', POSTGRES_PASSWORD: 'p@ss', AWS_SECRET_ACCESS_KEY: 'theirs' });
    expect(read('server/admin-password')).toBe('one of the operator');
    expect(read('server/database-url')).toBe('postgresql://holdfast:p%40ss@database:5432/holdfast');
    expect([read('server/s3-secret-key'), read('storage/secret-key')]).toEqual(['theirs', 'theirs']);
  });
});
