import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { KillPoint, KillPoints } from '#common';
import { Clock } from '../config/clock';
import { Uptime } from '../config/uptime';
import { Database } from './database';
import type { Dialect } from './sql';

/** A clock that stands until it is moved. */
export class TestClock extends Clock {
  constructor(public nowMs = Date.UTC(2026, 10, 24)) {
    super();
  }

  now(): number {
    return this.nowMs;
  }

  advance(byMs: number): void {
    this.nowMs += byMs;
  }
}

/** Passes as a clock does that nobody puts wrong. */
export class TestUptime extends Uptime {
  constructor(
    private readonly clock: TestClock,
    readonly bootId = 'boot',
  ) {
    super();
  }

  elapsedMs(): number {
    return this.clock.now() - Date.UTC(2026, 0, 1);
  }
}

/** Kill points that remember what was passed. */
class RecordedKillPoints implements KillPoints {
  readonly passed: KillPoint[] = [];

  hit(point: KillPoint): void {
    this.passed.push(point);
  }
}

export interface TestDatabase {
  readonly dialect: Dialect;
  readonly database: Database;
  /** The server's clock, on PostgreSQL too. */
  readonly clock: TestClock;
  readonly killPoints: RecordedKillPoints;
  /** For a second server on the same database: `Database.open({ ...location, clock })`. */
  readonly location: { databaseUrl: string | null; databasePath: string };
}

type Open = () => Promise<TestDatabase>;
type Cleanup = () => Promise<void>;

/**
 * Runs `define` once on SQLite and once on PostgreSQL. Each `open()` gives a fresh migrated database; it is closed and
 * dropped after the test that opened it, or after the describe when a `beforeAll` did.
 */
export function eachDatabase(name: string, define: (open: Open, dialect: Dialect) => void): void {
  for (const dialect of ['sqlite', 'postgres'] as const) {
    describe(`${name} (${dialect})`, () => {
      const shared: Cleanup[] = [];
      const ofTest: Cleanup[] = [];
      let isInTest = false;
      beforeEach(() => {
        isInTest = true;
      });
      afterEach(async () => {
        isInTest = false;
        await runAll(ofTest);
      });
      afterAll(() => runAll(shared));
      const open = dialect === 'sqlite' ? openSqlite : openPostgres;
      define(() => open(isInTest ? ofTest : shared), dialect);
    });
  }
}

/** A promise and its `open`, for tests that hold a transaction at a point. */
export function gate(): { readonly passed: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  return {
    passed: promise,
    open: () => {
      resolve(undefined);
    },
  };
}

async function runAll(cleanups: Cleanup[]): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

async function openSqlite(cleanups: Cleanup[]): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-db-'));
  cleanups.push(() => {
    rmSync(folder, { recursive: true, force: true });
    return Promise.resolve();
  });
  return openAt('sqlite', { databaseUrl: null, databasePath: join(folder, 'test.sqlite') }, cleanups);
}

async function openPostgres(cleanups: Cleanup[]): Promise<TestDatabase> {
  const { url, drop } = await createPostgresDatabase();
  cleanups.push(drop);
  return openAt('postgres', { databaseUrl: url, databasePath: '' }, cleanups);
}

/**
 * An empty database, not migrated. `settings` are defaults of its sessions: `{ synchronous_commit: 'off' }`; `locale`: another
 * than the server's.
 */
export async function createPostgresDatabase(
  settings: Record<string, string> = {},
  locale?: string,
  encoding = 'UTF8',
): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  const server = testPostgresUrl();
  const how = locale === undefined ? '' : `template template0 locale '${locale}' encoding '${encoding}'`;
  await administer(server, `create database ${name} ${how}`);
  for (const [setting, value] of Object.entries(settings)) {
    await administer(server, `alter database ${name} set ${setting} = '${value}'`);
  }
  return { url: `${server}/${name}`, drop: () => administer(server, `drop database ${name} with (force)`) };
}

/** Address of the PostgreSQL that jest's global setup started, without a database name. */
function testPostgresUrl(): string {
  // eslint-disable-next-line no-restricted-syntax -- how jest's global setup reaches its workers; no setting of ours
  const url = process.env.TEST_POSTGRES_URL;
  if (url === undefined) throw new Error('TEST_POSTGRES_URL is missing: run through jest, whose global setup sets it');
  return url;
}

async function administer(server: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: `${server}/postgres` });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function openAt(
  dialect: Dialect,
  location: TestDatabase['location'],
  cleanups: Cleanup[],
): Promise<TestDatabase> {
  const clock = new TestClock();
  const killPoints = new RecordedKillPoints();
  const database = await Database.open({ ...location, clock, postgresClock: clock, killPoints });
  cleanups.push(() => database.close());
  return { dialect, database, clock, killPoints, location };
}
