import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadServiceSettings, type Machine, missingSettings } from './service-settings';

const MACHINE: Machine = { hostName: 'box', isContainer: false, timeZone: 'Europe/Berlin' };
const load = (env: Record<string, string>, machine = MACHINE) =>
  loadServiceSettings({ HOLDFAST_STATE_DIR: '/state', ...env }, machine);

describe('the settings of the service', () => {
  it('take what the environment says', () => {
    const settings = load({
      SERVER_URL: 'https://backup.example.org/',
      USERNAME: 'ada',
      PASSWORD: 'secret',
      CLIENT_NAME: 'web 1',
      MONITORED_PATHS: '/etc, /home ,',
      PRE_COMMANDS: 'dump a; dump b;',
      BACKUP_SCHEDULE: '0 2 * * *',
      PING_INTERVAL: '1',
      ALLOW_REMOTE_COMMANDS: 'true',
      ALLOWED_PATHS: '/etc,/srv',
      HOST_ROOT: '/host',
      CLIENT_UI_ENABLED: 'false',
    });
    expect(settings).toMatchObject({
      serverUrl: 'https://backup.example.org',
      credentials: { kind: 'password', username: 'ada', password: 'secret' },
      clientName: 'web 1',
      monitoredPaths: ['/etc', '/home'],
      preCommands: ['dump a', 'dump b'],
      schedule: { kind: 'cron', cron: '0 2 * * *', timeZone: 'Europe/Berlin' },
      pingIntervalMs: 1_000,
      grants: { remoteCommands: true, allowedPaths: ['/etc', '/srv'] },
      hostRoot: '/host',
      page: { isEnabled: false },
    });
  });

  it('have defaults that grant nothing and open a page for this machine only', () => {
    expect(load({})).toMatchObject({
      serverUrl: null,
      credentials: null,
      schedule: { kind: 'every', everySeconds: 3_600 },
      pingIntervalMs: 60_000,
      grants: { remoteCommands: false, allowedPaths: null },
      page: { isEnabled: true, port: 8_080, host: '127.0.0.1', allowedHosts: [] },
    });
    expect(load({}, { ...MACHINE, isContainer: true }).page.host).toBe('0.0.0.0');
  });

  it('take an interval of one second', () => {
    expect(load({ BACKUP_INTERVAL: '1' }).schedule).toEqual({ kind: 'every', everySeconds: 1 });
  });

  it('prefer the names that no desktop sets, and take no name without a password', () => {
    const env = { USERNAME: 'desktop', PASSWORD: 'a', HOLDFAST_USERNAME: 'ada', HOLDFAST_PASSWORD: 'b' };
    expect(load(env).credentials).toEqual({ kind: 'password', username: 'ada', password: 'b' });
    expect(load({ USERNAME: 'desktop' }).credentials).toBeNull();
    expect(load({ ...env, ENROLMENT_CODE: 'code' }).credentials).toEqual({ kind: 'code', code: 'code' });
  });

  it('name every bad one at once, and never a value', () => {
    const bad = {
      SERVER_URL: 'http://198.51.100.7:8000/hush',
      HOLDFAST_STATE_DIR: 'hush',
      CLIENT_NAME: 'hush\u0007',
      MONITORED_PATHS: 'hush/here',
      BACKUP_INTERVAL: '0',
      BACKUP_SCHEDULE: 'hush * * * *',
      PING_INTERVAL: 'hush',
      ALLOW_REMOTE_COMMANDS: 'hush',
      ALLOWED_PATHS: 'hush',
      HOST_ROOT: 'hush',
      SERVER_CA_FILE: 'hush',
      SERVER_CERT_FINGERPRINT: 'hush',
      CLIENT_UI_PORT: '70000',
      PASSWORD_FILE: '/nowhere/hush',
      BACKUP_SHCEDULE: 'hush',
    };
    let message = '';
    try {
      load(bad);
    } catch (error) {
      message = String(error);
    }
    for (const name of Object.keys(bad)) expect(message).toContain(name);
    expect(message).not.toMatch(/hush/);
  });

  it('say which are missing when there is no page to ask', () => {
    expect(missingSettings(load({}), false)).toEqual([
      'SERVER_URL',
      'USERNAME and PASSWORD (or ENROLMENT_CODE)',
      'MONITORED_PATHS',
    ]);
    expect(missingSettings(load({}), true)).toEqual(['MONITORED_PATHS']);
    const complete = { SERVER_URL: 'http://server:8000', ENROLMENT_CODE: 'x', MONITORED_PATHS: '/etc' };
    expect(missingSettings(load(complete), false)).toEqual([]);
  });

  describe('of which one is in a file', () => {
    let directory: string;
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'holdfast-settings-'));
    });
    afterEach(() => {
      rmSync(directory, { recursive: true, force: true });
    });

    it('take its content without the last line end', () => {
      const file = join(directory, 'password');
      writeFileSync(file, 'pass word\n');
      expect(load({ HOLDFAST_USERNAME: 'ada', HOLDFAST_PASSWORD_FILE: file }).credentials).toEqual({
        kind: 'password',
        username: 'ada',
        password: 'pass word',
      });
      expect(() => load({ PASSWORD: 'x', PASSWORD_FILE: file })).toThrow(/PASSWORD and PASSWORD_FILE are both set/);
    });
  });
});
