import { randomUUID } from 'node:crypto';
import BetterSqlite3 from 'better-sqlite3';
import { seedChunks, seedTask } from '../catalog/seed.mjs';
import { Clock, Database } from '../holdfast-code.mjs';

const DAY_MS = 86_400_000;
const USERS = 200;
const TASKS_PER_CLIENT = 2;
const RUNS_PER_TASK = 45;
/** Of all versions, in the one large task that folders and histories are browsed in. */
const LARGE_SHARE = 0.2;
const LOG_LINES_PER_CLIENT = 100;
const AUDIT_EVENTS = 100_000;
const PACKS = 30_000;

/**
 * A fleet on SQLite: `clients` clients of some hundred users with two tasks each, and `versions` file versions: a fifth of them in one
 * large task of the first client, made run by run as bench/catalog does it; the rest are copies of a small task that was made the same way,
 * with times, outcomes and schedules of their own. Some clients are late, fail, or never backed up.
 */
export async function seedFleet({ databasePath, clients, versions, say }) {
  const large = Math.round(versions * LARGE_SHARE);
  const copies = clients * TASKS_PER_CLIENT;
  const small = Math.ceil((versions - large) / copies);
  const location = { databaseUrl: null, databasePath };
  const database = await Database.open({ ...location, clock: new Clock() });
  let made;
  try {
    await database.backend.writer.query('pragma synchronous = off');
    const { clientNo, domainNo } = await database.read((sql) =>
      sql.get('select no as "clientNo", domain_no as "domainNo" from clients'),
    );
    const chunkNos = await seedChunks(database, domainNo, Math.ceil(large / 10));
    const shapeOf = (name, count, runs) => ({ name, files: Math.ceil(count / 2), bigFiles: 0, versions: count, runs });
    const whole = { clientNo, chunkNos };
    made = {
      clientNo,
      large: await seedTask(database, {
        ...whole,
        shape: { ...shapeOf('documents', large, 100), bigFiles: large / 40 },
      }),
      small: await seedTask(database, { ...whole, shape: shapeOf('template', small, RUNS_PER_TASK) }),
    };
    say(`  the large task: ${made.large.written} versions`);
  } finally {
    await database.close();
  }
  const sqlite = new BetterSqlite3(databasePath);
  try {
    sqlite.pragma('synchronous = off');
    sqlite.pragma('cache_size = -400000');
    sqlite.transaction(() => seedAccounts(sqlite, clients))();
    copyTasks(sqlite, { template: made.small, clients, say });
    sqlite.transaction(() => seedAround(sqlite, clients))();
    sqlite.exec('analyze');
    sqlite.pragma('wal_checkpoint(truncate)');
    const count = (table) => sqlite.prepare(`select count(*) from ${table}`).pluck().get();
    const tables = ['clients', 'tasks', 'runs', 'paths', 'file_versions', 'chunks', 'client_logs', 'audit_events'];
    return { ...made, rows: Object.fromEntries(tables.map((table) => [table, count(table)])) };
  } finally {
    sqlite.close();
  }
}

/** Users, and clients: the first one is there already, the others are like it. */
function seedAccounts(sqlite, clients) {
  const now = Date.now();
  const domain = sqlite.prepare('insert into domains (created_at, stored_bytes) values (?, ?)');
  const user = sqlite.prepare(
    `insert into users (id, username, password_hash, role, domain_no, state, created_at, quota_bytes) values (?, ?, 'none', 'user', ?, 'active', ?, ?)`,
  );
  const owners = [];
  for (let at = 0; at < USERS; at += 1) {
    const domainNo = domain.run(now, at * 3_000_000_000).lastInsertRowid;
    const name = `user-${String(at).padStart(3, '0')}`;
    const ownerNo = user.run(randomUUID(), name, domainNo, now - 400 * DAY_MS, at % 3 === 0 ? 500_000_000_000 : null);
    owners.push({ ownerNo: ownerNo.lastInsertRowid, domainNo });
  }
  const client = sqlite.prepare(
    `insert into clients (id, owner_no, domain_no, name, secret_hash, state, host_name, platform, os_version, agent_version, created_at,
       last_ping_at, last_seen_at, online_until, secret_at, told, config_seen, labels, pre_commands)
     values (?, ?, ?, ?, randomblob(32), ?, ?, 'linux', 'Debian GNU/Linux 13', '0.1.0', ?, ?, ?, ?, ?, ?, 1, ?, ?)`,
  );
  const told = JSON.stringify({
    capabilities: ['commands'],
    grants: { allowedPaths: ['/srv', '/home'], remoteCommands: true, remoteRestore: false },
    refusals: [],
    intervalSeconds: 60,
  });
  for (let at = 1; at < clients; at += 1) {
    const { ownerNo, domainNo } = owners[at % owners.length];
    const seen = at % 97 === 0 ? null : at % 13 === 0 ? now - (at % 40) * DAY_MS : now + 30 * DAY_MS;
    const name = `machine-${String((at * 7_919) % 100_000).padStart(5, '0')}-${at}`;
    const commands =
      at % 4 === 0
        ? JSON.stringify([{ command: 'pg_dump -Fc app > /srv/app.dump', timeoutSeconds: 3600, onFailure: 'abort' }])
        : null;
    const labels = JSON.stringify([`rack-${at % 40}`, at % 2 === 0 ? 'server' : 'desktop']);
    const state = at % 211 === 0 ? 'revoked' : 'active';
    const host = `${name}.example.org`;
    client.run(
      randomUUID(),
      ownerNo,
      domainNo,
      name,
      state,
      host,
      now - 300 * DAY_MS,
      seen,
      seen,
      seen === null ? null : seen + 180_000,
      now - (at % 500) * DAY_MS,
      seen === null ? null : told,
      labels,
      commands,
    );
  }
}

/** Each client but the first gets copies of the template: its paths, runs and versions under numbers of their own. */
function copyTasks(sqlite, { template, clients, say }) {
  const now = Date.now();
  const one = (statement) => sqlite.prepare(statement).pluck();
  const pathBase = one('select min(no) from paths where task_no = ?').get(template.no);
  const paths = one('select count(*) from paths where task_no = ?').get(template.no);
  const task = sqlite.prepare(
    `insert into tasks (id, client_no, name, head_run, last_run_number, last_stamp, created_at, origin, definition, scheduled_since, next_due_at)
     values (?, ?, ?, ?, ?, ?, ?, 'server', ?, ?, ?)`,
  );
  const columns =
    'id, state, outcome, token_hash, chain_digest, lease_until, platform, chunker, roots, excludes, parent_run, started_by';
  const copyRuns = sqlite.prepare(
    `insert into runs (task_no, number, started_at, ended_at, stamp, files, logical_bytes, read_bytes, new_bytes, stored_bytes, unsaved_count, error, ${columns})
     select :task, number, :end - (:runs - number) * ${DAY_MS} - 400000, :end - (:runs - number) * ${DAY_MS}, :end - (:runs - number) * ${DAY_MS},
       400, 800000000 + (:task % 1000) * 5000000, 40000000, 30000000, 9000000, case when (number + :task) % 41 = 0 then 3 else 0 end,
       case when state = 'failed' then 'A command before the backup failed.' end, ${columns}
     from (select r.number, lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8'
         || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))) as id,
       case when (r.number + :task) % 37 = 0 then 'failed' when (r.number + :task) % 41 = 0 then 'partial' else 'succeeded' end as state,
       r.outcome, r.token_hash, r.chain_digest, r.lease_until, r.platform, r.chunker, r.roots, r.excludes, r.parent_run, 'schedule' as started_by
       from runs r where r.task_no = ${template.no})`,
  );
  const copyPaths = sqlite.prepare(
    `insert into paths (no, task_no, parent_no, name) select no + :add, :task, case when parent_no = 0 then 0 else parent_no + :add end, name
     from paths where task_no = ${template.no}`,
  );
  const rest =
    'first_run, last_run, kind, size, content_no, xattrs_no, content_since, exists_since, end_reason, entry, detect';
  const copyVersions = sqlite.prepare(
    `insert into file_versions (task_no, path_no, ${rest}) select :task, path_no + :add, ${rest} from file_versions where task_no = ${template.no}`,
  );
  let next = one('select max(no) from paths').get() + 1;
  const first = one('select min(no) from clients').get();
  const copyAll = sqlite.transaction((from, to) => {
    for (let at = from; at < to; at += 1) {
      for (let nth = 0; nth < TASKS_PER_CLIENT; nth += 1) {
        // One in 53 never backed up, one in 31 has not for days.
        const isBare = at % 53 === 0;
        const end = now - (at % 31 === 0 ? 4 * DAY_MS : (at * 17_011) % (DAY_MS / 2)) - nth * 600_000;
        const schedule = { kind: 'cron', cron: `${at % 60} ${at % 24} * * *`, timeZone: 'Europe/Berlin' };
        const definition = JSON.stringify({
          paths: ['/srv', '/home'],
          excludes: ['*.tmp'],
          schedule,
          isEnabled: true,
          preCommands: [],
          postCommands: [],
        });
        const head = isBare ? null : RUNS_PER_TASK;
        const taskNo = task.run(
          randomUUID(),
          first + at,
          nth === 0 ? 'files' : 'mail',
          head,
          RUNS_PER_TASK,
          now,
          now - 90 * DAY_MS,
          definition,
          now - 90 * DAY_MS,
          now + (at % 24) * 3_600_000,
        ).lastInsertRowid;
        if (isBare) continue;
        copyRuns.run({ task: taskNo, end, runs: RUNS_PER_TASK });
        copyPaths.run({ task: taskNo, add: next - pathBase });
        copyVersions.run({ task: taskNo, add: next - pathBase });
        next += paths;
      }
    }
  });
  for (let from = 1; from < clients; from += 100) {
    copyAll(from, Math.min(clients, from + 100));
    if (from % 1_000 === 1 && from > 1) say(`  ${from - 1} clients`);
  }
}

/** What stands around backups: logs, audit, packs. */
function seedAround(sqlite, clients) {
  const series = (count) =>
    `with recursive series(i) as (select 0 union all select i + 1 from series where i < ${count - 1})`;
  const now = Date.now();
  sqlite.exec(`${series(LOG_LINES_PER_CLIENT * clients)} insert into client_logs (client_no, at, received_at, level, message)
    select 1 + i % ${clients}, ${now} - (${LOG_LINES_PER_CLIENT * clients} - i) * 100, ${now}, i % 4, 'Line ' || i || ': a backup of 400 files ended well.' from series`);
  sqlite.exec(`${series(AUDIT_EVENTS)} insert into audit_events (at, actor_kind, actor_name, address, action, target_kind, target_id, target_name)
    select ${now} - (${AUDIT_EVENTS} - i) * 1000, 'user', 'admin', '10.0.0.1', 'files.download', 'client', 'id-' || i % 1000, 'machine' from series`);
  sqlite.exec(`${series(PACKS)} insert into packs (key, state, task_no, run_number, length, plain_bytes, created_at, changed_at)
    select 'packs/seeded/' || i, 'live', 1, 1, 60000000, 100000000, ${now}, ${now} from series`);
}
