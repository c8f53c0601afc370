import { Client, DatabaseError } from 'pg';
import type { QueryRunner } from 'typeorm';
import { StartError } from '../config/start-error';
import { postgresUrl } from './postgres-url';

/** Any number that is ours: "Rest" in ASCII. */
const RESTORE_LOCK = 0x52_65_73_74;
const CONNECT_TIMEOUT_MS = 10_000;
/** For the connection of one that was killed just now to end. */
const WAIT_MS = 3_000;
const LOCK_NOT_AVAILABLE = '55P03';
/** A holder whose host is gone is found dead after a minute. */
const KEEP_ALIVES = '-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3';

const HOLDERS = `select l.pid, coalesce(host(a.client_addr), 'this host') as address from pg_locks l
  join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.granted and l.classid = 0 and l.objid = $1
    and l.database = (select oid from pg_database where datname = current_database())`;

/**
 * Held by one process that brings the catalog of this database back, on a connection of its own: it goes with the process, however that
 * ends. Returns what gives it back. Throws StartError when another holds it, or a server is migrating the database.
 */
export async function takePostgresRestoreLock(url: string): Promise<() => Promise<void>> {
  const client = new Client({
    connectionString: postgresUrl(url),
    application_name: 'holdfast restore',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    options: `-c statement_timeout=0 -c idle_session_timeout=0 -c lock_timeout=${WAIT_MS} ${KEEP_ALIVES}`,
  });
  // Who loses it goes on until another takes the mark over: then no write of his passes any more.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select pg_advisory_lock($1)', [RESTORE_LOCK]);
    return () => client.end();
  } catch (error) {
    const isHeld = error instanceof DatabaseError && error.code === LOCK_NOT_AVAILABLE;
    const refusal = isHeld ? await heldBy(client) : null;
    await client.end().catch(() => undefined);
    if (refusal !== null) throw refusal;
    throw new StartError(`DATABASE_URL: PostgreSQL cannot be used: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** To be called in a transaction that migrates: none begins to bring a catalog back before it ends. Throws StartError. */
export async function refuseRestoring(runner: QueryRunner): Promise<void> {
  const sql = `select pg_try_advisory_xact_lock_shared(${RESTORE_LOCK}) as free`;
  const [row] = (await runner.query(sql)) as { free: boolean }[];
  if (row?.free === true) return;
  throw new StartError(
    'The catalog of this database is being brought back ("holdfast-server restore-catalog"): start the server when that has ended.',
  );
}

async function heldBy(client: Client): Promise<StartError> {
  const { rows } = await client.query<{ pid: number; address: string }>(HOLDERS, [RESTORE_LOCK]);
  const who = rows.map(({ pid, address }) => `backend ${pid}, from ${address}`).join('; ');
  return new StartError(
    `Another restore-catalog is at work on this database (PostgreSQL ${who || 'backend unknown'}), or a server is starting on it: let it ` +
      'end, or stop it. One whose host is gone is found dead within a minute. Nothing was changed.',
  );
}
