import { isLate } from '../backups/due-from';
import { clientStatus } from '../clients/client-status';
import type { ClientRow } from '../database/entities/identity.entities';
import { eachDatabase, type TestDatabase } from '../database/testing';
import type { Value } from '../database/sql';
import { FLEET_COLUMNS, FleetRepository, type FleetFilter, type FleetScope } from './fleet.repository';

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const NOTHING: FleetFilter = { state: null, owner: null, search: null };

interface SeededTask {
  readonly due?: number | null;
  readonly good?: number;
  readonly next?: number;
  readonly bytes?: number;
  readonly outcome?: string;
  readonly deleted?: number;
}

eachDatabase('the lists of the fleet', (open) => {
  const fleet = new FleetRepository();
  const scope: FleetScope = { ownerNo: null, nowMs: NOW, lateBeforeMs: NOW - HOUR };
  let db: TestDatabase;
  let count = 0;

  /** Returns the client's number. */
  async function add(row: Partial<ClientRow>, tasks: readonly SeededTask[] = []): Promise<number> {
    count += 1;
    const no = count;
    await db.database.write('clients.register', async (tx) => {
      const client: Record<string, Value> = {
        ...{
          no,
          id: `c${no}`,
          owner_no: 1,
          domain_no: 1,
          name: `client ${no}`,
          secret_hash: Buffer.alloc(32),
          state: 'active',
        },
        ...{ created_at: 0, last_ping_at: NOW - 1_000, last_seen_at: NOW - 1_000, online_until: NOW + 1_000 },
        ...(row as Record<string, Value>),
      };
      const names = Object.keys(client);
      const marks = names.map(() => '?').join(', ');
      await tx.run(`insert into clients (${names.join(', ')}) values (${marks})`, Object.values(client));
      for (const [at, task] of tasks.entries()) {
        const { due = null, good = null, next = null, bytes = null, outcome = null, deleted = null } = task;
        await tx.run(
          `insert into tasks (id, client_no, name, created_at, head_run, due_from, good_at, good_bytes, next_due_at, ended_outcome,
             ended_at, deleted_at) values (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)`,
          [`t${no}-${at}`, no, `task ${at}`, good === null ? null : 1, due, good, bytes, next, outcome, good, deleted],
        );
      }
    });
    return no;
  }

  const list = (
    filter: Partial<FleetFilter>,
    by: (typeof FLEET_COLUMNS)[number] = 'name',
    isDown = false,
  ): Promise<number[]> =>
    db.database.read((sql) =>
      fleet.page(sql, scope, { filter: { ...NOTHING, ...filter }, order: { by, isDown }, offset: 0, limit: 1_000 }),
    );

  beforeEach(async () => {
    count = 0;
    db = await open();
    await db.database.write('users.create', async (tx) => {
      for (const [no, name, deletedAt] of [
        [1, 'Zoe', null],
        [2, 'ann', null],
        [3, 'gone', 5],
      ] as const) {
        await tx.run(
          `insert into users (no, id, username, password_hash, role, domain_no, state, created_at, deleted_at)
           values (?, ?, ?, '', 'user', 1, 'active', 0, ?)`,
          [no, `u${no}`, name, deletedAt],
        );
      }
    });
  });

  it('say of each client what is said of it alone', async () => {
    const rows: Partial<ClientRow>[] = [
      {},
      { online_until: NOW - 1 },
      { online_until: NOW },
      { last_ping_at: null, last_seen_at: null, online_until: null },
      { last_ping_at: null, online_until: null },
      { state: 'revoked' },
      { deleted_at: 5 },
      { deleted_at: 5, state: 'revoked' },
    ];
    const dues = [
      [],
      [{ due: NOW - HOUR }],
      [{ due: NOW - HOUR + 1 }],
      [{ due: null }, { due: NOW - 9 * HOUR }],
      [{ due: 5, deleted: 6 }],
    ];
    const expected = new Map<string, number[]>();
    for (const row of rows) {
      for (const tasks of dues) {
        const no = await add(row, tasks);
        const whole: Parameters<typeof clientStatus>[0] = {
          last_ping_at: NOW,
          last_seen_at: NOW,
          online_until: NOW + 1,
          state: 'active',
          deleted_at: null,
          ...row,
        };
        const isSomeLate = tasks.some(
          (task) => !('deleted' in task) && isLate(task.due, { nowMs: NOW, graceMs: HOUR }),
        );
        const status = clientStatus(whole, { nowMs: NOW, isLate: isSomeLate });
        expected.set(status, [...(expected.get(status) ?? []), no]);
      }
    }
    expect([...expected.keys()].sort()).toEqual(['deleted', 'late', 'never', 'offline', 'online', 'revoked']);
    for (const [status, numbers] of expected) {
      expect((await list({ state: status })).toSorted((a, b) => a - b)).toEqual(numbers);
      expect(await db.database.read((sql) => fleet.count(sql, scope, { ...NOTHING, state: status }))).toBe(
        numbers.length,
      );
    }
    expect(await list({})).toHaveLength(30);
  });

  it('count each client once: late before failing before never backed up, and nothing of who is out', async () => {
    const late = await add({}, [{ due: 5, good: 9, outcome: 'failed' }]);
    const failing = await add({}, [{ good: 9, outcome: 'succeeded' }, { outcome: 'failed' }]);
    const bare = await add({}, [{}]);
    const unseen = await add({ last_ping_at: null, last_seen_at: null }, [{ due: 5 }]);
    const fine = await add({}, [
      { good: 9, outcome: 'partial' },
      { outcome: 'failed', deleted: 6 },
    ]);
    await add({ state: 'revoked' }, [{ due: 5 }]);
    await add({ deleted_at: 5 }, [{ due: 5 }]);
    await add({ owner_no: 3 }, [{ due: 5 }]);
    const healths = await db.database.read((sql) => fleet.healths(sql, scope));
    expect(Object.fromEntries(healths)).toEqual({ late: 1, failing: 1, bare: 2, fine: 1, out: 1 });
    expect(await list({ state: 'late' })).toEqual([late]);
    expect(await list({ state: 'failing' })).toEqual([failing]);
    expect(await list({ state: 'bare' })).toEqual([bare, unseen]);
    expect(await list({ state: 'fine' })).toEqual([fine]);
  });

  it('sort by every column both ways, what has no value last, and page without gaps', async () => {
    const a = await add({ name: 'b', owner_no: 2, last_ping_at: 30 }, [
      { good: 20, next: 5, bytes: 7 },
      { good: 40, next: 9, bytes: 1 },
    ]);
    const b = await add({ name: 'A', last_ping_at: 10, last_seen_at: 10, online_until: 5 }, [
      { due: 5, good: 30, next: 7, bytes: 50 },
    ]);
    const c = await add({ name: 'c', last_ping_at: null }, []);
    expect(await list({}, 'name')).toEqual([b, a, c]);
    expect(await list({}, 'name', true)).toEqual([c, a, b]);
    expect(await list({}, 'owner')).toEqual([a, b, c]);
    expect(await list({}, 'status')).toEqual([b, a, c]);
    expect(await list({}, 'ping')).toEqual([b, a, c]);
    expect(await list({}, 'ping', true)).toEqual([a, b, c]);
    expect(await list({}, 'backup')).toEqual([b, a, c]);
    expect(await list({}, 'backup', true)).toEqual([a, b, c]);
    expect(await list({}, 'next')).toEqual([a, b, c]);
    expect(await list({}, 'size', true)).toEqual([b, a, c]);
    const pages = [];
    for (let offset = 0; offset < 4; offset += 1) {
      const part = { filter: NOTHING, order: { by: 'backup', isDown: false } as const, offset, limit: 1 };
      pages.push(...(await db.database.read((sql) => fleet.page(sql, scope, part))));
    }
    expect(pages).toEqual([b, a, c]);
  });

  it('find by owner, and by a part of a name, a host or a label, taken for what it is', async () => {
    const a = await add({ name: 'Büro 100%', host_name: 'alpha.example', labels: '["Rack 7"]' });
    const b = await add({ name: 'under_score', owner_no: 2 });
    const c = await add({ name: 'underXscore', labels: '["x"]' });
    expect(await list({ search: 'RACK' })).toEqual([a]);
    expect(await list({ search: 'Alpha.EX' })).toEqual([a]);
    for (const search of ['Büro', 'bÜRO', 'BÜRO']) expect(await list({ search })).toEqual([a]);
    expect(await list({ search: '%' })).toEqual([a]);
    expect(await list({ search: 'r_s' })).toEqual([b]);
    expect(await list({ search: String.raw`\ ` })).toEqual([]);
    expect(await list({ search: `' or 1=1 --` })).toEqual([]);
    expect(await list({ owner: 'ANN' })).toEqual([b]);
    expect(await list({ owner: 'zoe', search: 'under' })).toEqual([c]);
    expect(await db.database.read((sql) => fleet.owners(sql))).toEqual(['ann', 'Zoe']);
    expect(Object.fromEntries(await db.database.read((sql) => fleet.countsByOwner(sql)))).toEqual({ u1: 2, u2: 1 });
  });

  it('show whose own they are to a user alone', async () => {
    await add({}, [{ outcome: 'failed' }]);
    const own = await add({ owner_no: 2 }, [{ outcome: 'partial' }]);
    // Of somebody who was deleted: nobody is told of it, and it takes no line from the others.
    await add({ owner_no: 3 }, [{ outcome: 'failed' }]);
    const bound = { ...scope, ownerNo: 2 };
    await db.database.read(async (sql) => {
      const part = { filter: NOTHING, order: { by: 'name', isDown: false } as const, offset: 0, limit: 9 };
      expect(await fleet.page(sql, bound, part)).toEqual([own]);
      expect(await fleet.count(sql, bound, NOTHING)).toBe(1);
      expect(Object.fromEntries(await fleet.healths(sql, bound))).toEqual({ bare: 1 });
      expect((await fleet.troubled(sql, bound, 9)).map(({ clientName }) => clientName)).toEqual([`client ${own}`]);
      expect((await fleet.names(sql, bound)).map(({ id }) => id)).toEqual([`c${own}`]);
      expect(await fleet.troubled(sql, scope, 9)).toHaveLength(2);
    });
  });

  it('tell whoever watches them of all that are not deleted, a page after the other', async () => {
    const late = await add({ owner_no: 2, created_at: 7 }, [
      { due: 5, good: 9, outcome: 'failed' },
      { good: 20, outcome: 'partial' },
      { good: 99, outcome: 'failed', deleted: 6 },
    ]);
    await add({ deleted_at: 5 });
    await add({ owner_no: 3 });
    const revoked = await add({ state: 'revoked' }, [{ due: NOW }]);
    const page = (afterNo: number) => db.database.read((sql) => fleet.watched(sql, scope, { afterNo, limit: 1 }));
    expect(await page(0)).toEqual([
      {
        ...{ no: late, name: `client ${late}`, owner: 'ann', status: 'late', createdMs: 7, isLate: true },
        ...{ lastBackupMs: 20, failedTasks: 1, partialTasks: 1 },
      },
    ]);
    expect(await page(late)).toMatchObject([{ no: revoked, status: 'revoked', isLate: false, lastBackupMs: null }]);
    expect(await page(revoked)).toEqual([]);
  });

  it('name each task with a run that waits or goes on once, the newest first', async () => {
    await add({}, [{}, {}, {}]);
    const tasks = await db.database.read((sql) => sql.all<{ no: number }>('select no from tasks order by no'));
    await db.database.write('runs.start', async (tx) => {
      for (const [at, number, state, startedAt] of [
        [0, 1, 'running', 10],
        [0, 2, 'queued', 12],
        [1, 1, 'queued', 11],
        [2, 1, 'succeeded', 99],
      ] as const) {
        await tx.run(
          `insert into runs (task_no, number, id, state, token_hash, chain_digest, lease_until, started_at, platform, chunker, roots, excludes)
           values (?, ?, ?, ?, ?, ?, 0, ?, 'linux', 'x', ?, '[]')`,
          [
            tasks[at]!.no,
            number,
            `r${at}-${number}`,
            state,
            Buffer.alloc(1),
            Buffer.alloc(1),
            startedAt,
            Buffer.alloc(1),
          ],
        );
      }
      await fleet.underWay(tx, { ...scope, ownerNo: 2 }, 9).then((found) => {
        expect(found).toEqual([]);
      });
    });
    const found = await db.database.read((sql) => fleet.underWay(sql, scope, 9));
    expect(found.map(({ taskNo }) => taskNo)).toEqual([tasks[0]!.no, tasks[1]!.no]);
  });
});
