import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadServerSettings, SettingsError } from './server-settings';

describe('loadServerSettings', () => {
  it('has a default for everything', () => {
    expect(loadServerSettings({})).toMatchObject({
      port: 8_000,
      // Behind one address may stand a fleet.
      maxConnectionsPerAddress: null,
      databaseUrl: null,
      databasePath: './data/holdfast.sqlite',
      storagePath: './data',
      adminUsername: null,
      adminPassword: null,
      secretKey: null,
      dedupScope: 'user',
      runLeaseMs: 300_000,
      accessTokenMinutes: 60,
    });
  });

  it('takes an empty variable for one that is not set', () => {
    expect(loadServerSettings({ PORT: '', SECRET_KEY: '', DATABASE_URL: '' })).toEqual(loadServerSettings({}));
  });

  it('reads what is set', () => {
    const settings = loadServerSettings({
      PORT: '9000',
      DATABASE_URL: 'postgresql://u:p@h/db',
      DEDUP_SCOPE: 'client',
      RUN_LEASE_SECONDS: '7',
      SECRET_KEY: '3f9c1b7e5d2a8064f1e9b3c7d5a20846',
    });
    expect(settings).toMatchObject({
      port: 9_000,
      databaseUrl: 'postgresql://u:p@h/db',
      dedupScope: 'client',
      runLeaseMs: 7_000,
      secretKey: '3f9c1b7e5d2a8064f1e9b3c7d5a20846',
    });
  });

  it.each(['postgres://u:p@h/db', 'postgresql+psycopg2://u:p@h:5432/db?sslmode=require'])(
    'takes the address %s for PostgreSQL',
    (url) => {
      expect(loadServerSettings({ DATABASE_URL: url }).databaseUrl).toBe(url);
    },
  );

  it('takes PostgreSQL when DATABASE_PATH is set too, and SQLite when the address is empty', () => {
    const both = loadServerSettings({ DATABASE_URL: 'postgresql://u:p@h/db', DATABASE_PATH: '/srv/holdfast.sqlite' });
    expect(both.databaseUrl).toBe('postgresql://u:p@h/db');
    const none = loadServerSettings({ DATABASE_URL: '', DATABASE_PATH: '/srv/holdfast.sqlite' });
    expect(none).toMatchObject({ databaseUrl: null, databasePath: '/srv/holdfast.sqlite' });
  });

  it.each(['mysql+psycopg2://u:p@h/db', 'postgresql+://u:p@h/db', 'h:5432/db'])('refuses the address %s', (url) => {
    expect(() => loadServerSettings({ DATABASE_URL: url })).toThrow(/DATABASE_URL: must be a PostgreSQL address/);
  });

  it('reads the limits of PostgreSQL', () => {
    expect(loadServerSettings({})).toMatchObject({ databasePoolSize: 10, databaseStatementTimeoutMs: 60_000 });
    const set = { DATABASE_POOL_SIZE: '40', DATABASE_STATEMENT_TIMEOUT_SECONDS: '120' };
    expect(loadServerSettings(set)).toMatchObject({ databasePoolSize: 40, databaseStatementTimeoutMs: 120_000 });
    expect(() => loadServerSettings({ DATABASE_POOL_SIZE: '1' })).toThrow(/DATABASE_POOL_SIZE/);
    expect(() => loadServerSettings({ DATABASE_STATEMENT_TIMEOUT_SECONDS: '0' })).toThrow(/STATEMENT_TIMEOUT/);
  });

  it('keeps objects on local disk without S3_BUCKET, in S3 with it, and takes a path style for an endpoint', () => {
    expect(loadServerSettings({ BACKUP_STORAGE_PATH: '/srv' }).s3).toBeNull();
    expect(loadServerSettings({ S3_BUCKET: 'team', BACKUP_STORAGE_PATH: '/srv' }).s3).toEqual({
      bucket: 'team',
      endpoint: null,
      region: 'us-east-1',
      credentials: null,
      prefix: '',
      storageClass: null,
      forcePathStyle: false,
      createBucket: false,
    });
    const settings = loadServerSettings({
      S3_BUCKET: 'team',
      S3_ENDPOINT: 'http://127.0.0.1:9000',
      S3_PREFIX: 'backups/one/',
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'key',
      S3_CREATE_BUCKET: 'true',
    });
    expect(settings.s3).toMatchObject({
      endpoint: 'http://127.0.0.1:9000',
      credentials: { accessKeyId: 'id', secretAccessKey: 'key' },
      prefix: 'backups/one/',
      forcePathStyle: true,
      createBucket: true,
    });
  });

  it.each([
    { S3_ENDPOINT: 'https://s3.example.org' },
    { S3_PREFIX: 'backups' },
    { S3_STORAGE_CLASS: 'STANDARD_IA' },
    { S3_CREATE_BUCKET: 'true' },
  ])('does not take local disk for a bucket whose name was left out (%j)', (env) => {
    expect(() => loadServerSettings({ ...env, S3_BUCKET: '' })).toThrow('S3_BUCKET: is missing');
  });

  it('keeps objects on local disk beside what the machine may have set for other programs, and what says no', () => {
    const keys = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key', AWS_REGION: 'eu-central-1' };
    const env = { ...keys, S3_ENDPOINT: '', S3_CREATE_BUCKET: 'false', S3_FORCE_PATH_STYLE: 'false' };
    expect(loadServerSettings(env).s3).toBeNull();
  });

  it("takes S3's region, class and style of addresses as they are set", () => {
    const set = { S3_BUCKET: 'team', S3_ENDPOINT: 'https://s3.example.org', AWS_REGION: 'eu-central-1' };
    const { s3 } = loadServerSettings({ ...set, S3_STORAGE_CLASS: 'STANDARD_IA', S3_FORCE_PATH_STYLE: 'false' });
    expect(s3).toMatchObject({ region: 'eu-central-1', storageClass: 'STANDARD_IA', forcePathStyle: false });
  });

  it.each([
    ['S3_BUCKET', { S3_BUCKET: 'no/bucket' }],
    ['S3_ENDPOINT', { S3_ENDPOINT: 'minio:9000/path' }],
    ['S3_PREFIX', { S3_PREFIX: '/from/root' }],
    ['S3_PREFIX', { S3_PREFIX: 'a//b' }],
    ['S3_STORAGE_CLASS', { S3_STORAGE_CLASS: 'GLACIER' }],
    ['S3_FORCE_PATH_STYLE', { S3_FORCE_PATH_STYLE: 'yes' }],
    ['S3_CREATE_BUCKET', { S3_CREATE_BUCKET: '1' }],
    ['AWS_SECRET_ACCESS_KEY', { AWS_ACCESS_KEY_ID: 'only-this' }],
  ])('refuses a wrong %s (%j)', (name, env) => {
    expect(() => loadServerSettings({ S3_BUCKET: 'team', ...env })).toThrow(name);
  });

  it('reports all bad settings at once, by name and reason, never by value', () => {
    const env = {
      PORT: '8o00',
      DATABASE_URL: 'mysql://me:hunter22@h/db',
      ADMIN_PASSWORD: 'shorty',
      SECRET_KEY: 'tooshort-s3cr3t',
      SECRET_KEY_PREVIOUS: 'short-s3cr3t',
      DEDUP_SCOPE: 'world',
      RUN_LEASE_SECONDS: '0',
      ACCESS_TOKEN_EXPIRE_MINUTES: '-1',
      HOLDFAST_KILL_AT: 'nowhere',
      S3_BUKET: 'team-s3cr3t',
      AWS_SECRET_ACCESS_KEY_FILE: 'relative-s3cr3t',
    };
    let error: unknown;
    try {
      loadServerSettings(env);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(SettingsError);
    const { problems, message } = error as SettingsError;
    expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual(Object.keys(env).sort());
    expect(message).not.toContain('8o00');
    expect(message).not.toContain('hunter22');
    expect(message).not.toContain('shorty');
    expect(message).not.toContain('s3cr3t');
  });

  it('takes USERNAME and PASSWORD for the admin when both are set, and ADMIN_* are not', () => {
    const bare = { USERNAME: 'desktop', PASSWORD: 'of the agent' };
    expect(loadServerSettings(bare)).toMatchObject({ adminUsername: 'desktop', adminPassword: 'of the agent' });
    expect(loadServerSettings({ USERNAME: 'desktop' })).toMatchObject({ adminUsername: null, adminPassword: null });
    expect(loadServerSettings({ PASSWORD: 'of the agent' })).toMatchObject({
      adminUsername: null,
      adminPassword: null,
    });
    expect(loadServerSettings({ ...bare, ADMIN_USERNAME: 'chief' })).toMatchObject({
      adminUsername: 'chief',
      adminPassword: null,
    });
    expect(() => loadServerSettings({ ...bare, PASSWORD: 'short' })).toThrow(/PASSWORD: must have 8/);
  });

  it.each([
    ['2', 2],
    ['10.0.0.5, 10.1.0.0/16,fd00::/8', ['10.0.0.5', '10.1.0.0/16', 'fd00::/8']],
  ])('trusts the proxies %s', (text, trusted) => {
    expect(loadServerSettings({ TRUST_PROXY: text }).trustProxy).toEqual(trusted);
  });

  it.each(['true', '10.0.0.0/33', 'proxy.example', '10.0.0.1/8/8', '*'])('refuses to trust %s', (text) => {
    expect(() => loadServerSettings({ TRUST_PROXY: text })).toThrow(/TRUST_PROXY/);
  });

  it('takes an address for people without its last slash', () => {
    expect(loadServerSettings({ PUBLIC_URL: 'https://b.example/x/' }).publicUrl).toBe('https://b.example/x');
    for (const url of ['b.example', 'ftp://b.example', 'https://u:p@b.example', 'https://b.example/?a']) {
      expect(() => loadServerSettings({ PUBLIC_URL: url })).toThrow(/PUBLIC_URL/);
    }
  });

  it('takes certificate and key together, and an address for people that fits them', () => {
    const files = { TLS_CERT_FILE: '/etc/holdfast/cert.pem', TLS_KEY_FILE: '/etc/holdfast/key.pem' };
    expect(loadServerSettings(files).tls).toEqual({
      certFile: '/etc/holdfast/cert.pem',
      keyFile: '/etc/holdfast/key.pem',
    });
    expect(() => loadServerSettings({ ...files, TLS_KEY_FILE: '' })).toThrow(/TLS_KEY_FILE: is missing/);
    expect(() => loadServerSettings({ ...files, TLS_CERT_FILE: '' })).toThrow(/TLS_CERT_FILE: is missing/);
    expect(() => loadServerSettings({ ...files, PUBLIC_URL: 'http://b.example' })).toThrow(/PUBLIC_URL: must be https/);
    expect(loadServerSettings({ ...files, PUBLIC_URL: 'https://b.example' }).publicUrl).toBe('https://b.example');
  });

  it.each(['70000', '-1', '1.5', ' 80', '0x50'])('refuses the port %s', (port) => {
    expect(() => loadServerSettings({ PORT: port })).toThrow(/PORT: must be a whole number/);
  });

  it.each([
    'changeme-changeme-changeme-changeme',
    'your-secret-key-please-put-it-in-here',
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
    '0123456789abcdef0123456789abcdef',
  ])('refuses the well-known secret key %s', (key) => {
    expect(() => loadServerSettings({ SECRET_KEY: key })).toThrow(/SECRET_KEY: is a well-known/);
  });

  describe('with secrets in files', () => {
    let directory: string;
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'holdfast-settings-'));
    });
    afterEach(() => {
      rmSync(directory, { recursive: true, force: true });
    });
    const file = (content: string): string => {
      const path = join(directory, 'secret');
      writeFileSync(path, content);
      return path;
    };

    it('takes their content without the last line end', () => {
      const key = '3f9c1b7e5d2a8064f1e9b3c7d5a20846';
      expect(loadServerSettings({ SECRET_KEY_FILE: file(`${key}\n`) }).secretKey).toBe(key);
      expect(loadServerSettings({ ADMIN_PASSWORD_FILE: file('pass word') }).adminPassword).toBe('pass word');
      expect(loadServerSettings({ DATABASE_URL_FILE: file('postgresql://u:p@h/db\r\n') }).databaseUrl).toBe(
        'postgresql://u:p@h/db',
      );
    });

    it('refuses a file that says nothing or cannot be read, and a secret that is given twice', () => {
      expect(() => loadServerSettings({ SECRET_KEY_FILE: file('') })).toThrow(/SECRET_KEY_FILE: names an empty file/);
      expect(() => loadServerSettings({ SECRET_KEY_FILE: directory })).toThrow(/SECRET_KEY_FILE: .* cannot be read/);
      expect(() => loadServerSettings({ SECRET_KEY: 'x', SECRET_KEY_FILE: file('x') })).toThrow(/leave one out/);
      expect(() => loadServerSettings({ PORT_FILE: file('80') })).not.toThrow();
    });
  });
});
