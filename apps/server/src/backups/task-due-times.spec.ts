import { eachDatabase, type TestDatabase } from '../database/testing';
import { TaskDefinitionsRepository } from './task-definitions.repository';
import { TaskDueTimes } from './task-due-times';

const HOUR = 3_600_000;
const every = JSON.stringify({ isEnabled: true, schedule: { kind: 'every', everySeconds: 3_600 } });

eachDatabase('what tasks of before say of themselves', (open) => {
  let db: TestDatabase;
  let dueTimes: TaskDueTimes;

  beforeEach(async () => {
    db = await open();
    dueTimes = new TaskDueTimes(db.database, new TaskDefinitionsRepository());
    await db.database.write('tasks.change', async (tx) => {
      await tx.run(
        `insert into users (no, id, username, password_hash, role, domain_no, state, created_at) values (1, 'u', 'u', '', 'user', 1, 'active', 0)`,
      );
      await tx.run(
        `insert into clients (no, id, owner_no, domain_no, name, secret_hash, state, created_at) values (1, 'c', 1, 1, 'c', ?, 'active', 0)`,
        [Buffer.alloc(32)],
      );
      // More than one slice: the others have nothing to say.
      for (let no = 1; no <= 120; no += 1) {
        const head = no === 1 ? 2 : null;
        const definition = no === 120 || no === 1 ? every : JSON.stringify({ isEnabled: true, schedule: null });
        await tx.run(
          `insert into tasks (no, id, client_no, name, created_at, head_run, last_run_number, definition, scheduled_since)
           values (?, ?, 1, ?, 0, ?, 5, ?, 100)`,
          [no, `t${no}`, `t${no}`, head, definition],
        );
      }
      for (const [taskNo, number, state, endedAt] of [
        [1, 1, 'failed', 10],
        [1, 2, 'partial', 5 * HOUR],
        [1, 3, 'cancelled', 6 * HOUR],
        [1, 4, 'missed', 7 * HOUR],
        [1, 5, 'running', null],
        [2, 1, 'failed', 20],
        [3, 1, 'missed', 30],
      ] as const) {
        await tx.run(
          `insert into runs (task_no, number, id, state, token_hash, chain_digest, lease_until, started_at, ended_at, platform, chunker, roots,
             excludes, logical_bytes, new_bytes, stored_bytes)
           values (?, ?, ?, ?, ?, ?, 0, 0, ?, 'linux', 'x', ?, '[]', 77, 5, 2)`,
          [taskNo, number, `r${taskNo}-${number}`, state, Buffer.alloc(1), Buffer.alloc(1), endedAt, Buffer.alloc(1)],
        );
      }
    });
  });

  const rows = () =>
    db.database.read((sql) =>
      sql.all(
        `select no, due_from as due, good_at as good, good_bytes as bytes, ended_outcome as outcome, ended_at as ended from tasks
         where due_from is not null or good_at is not null or ended_outcome is not null order by no`,
      ),
    );

  const sums = () =>
    db.database.read((sql) =>
      sql.all(
        `select no, snapshots, shown_bytes as shown, brought_bytes as brought, brought_stored as stored from tasks
         where no <= 3 order by no`,
      ),
    );

  it('is filled in from their runs and their schedules, once', async () => {
    await dueTimes.fill();
    const filled = [
      { no: 1, due: 6 * HOUR, good: 5 * HOUR, bytes: 77, outcome: 'partial', ended: 5 * HOUR },
      { no: 2, due: null, good: null, bytes: null, outcome: 'failed', ended: 20 },
      { no: 120, due: 100 + HOUR, good: null, bytes: null, outcome: null, ended: null },
    ];
    expect(await rows()).toEqual(filled);
    expect(await db.database.read((sql) => new TaskDefinitionsRepository().lacksOutcomes(sql))).toBe(false);
    expect(await sums()).toEqual([
      { no: 1, snapshots: 1, shown: 77, brought: 15, stored: 6 },
      { no: 2, snapshots: 0, shown: 0, brought: 5, stored: 2 },
      { no: 3, snapshots: 0, shown: 0, brought: 0, stored: 0 },
    ]);
    await dueTimes.fill();
    expect(await rows()).toEqual(filled);
  });

  it('count from now on, once, where a clock that was ahead told their times', async () => {
    await dueTimes.fill();
    const dueOf = async (no: number): Promise<number | undefined> => {
      const row = await db.database.read((sql) =>
        sql.get<{ due: number }>('select due_from as due from tasks where no = ?', [no]),
      );
      return row?.due;
    };
    const now = await db.database.now();
    const ahead = now + 700 * HOUR;
    await db.database.write('tasks.change', async (tx) => {
      await tx.run('update runs set ended_at = ? where task_no = 1 and number = 2', [ahead]);
      await tx.run('update tasks set good_at = ?, due_from = ? where no = 1', [ahead, ahead + HOUR]);
      await tx.run('update tasks set scheduled_since = ?, due_from = ? where no = 120', [ahead, ahead + HOUR]);
    });
    await dueTimes.mendAhead();
    expect(await dueOf(1)).toBe(now + HOUR);
    expect(await dueOf(120)).toBe(now + HOUR);
    db.clock.advance(HOUR);
    await dueTimes.mendAhead();
    expect(await dueOf(1)).toBe(now + HOUR);
  });
});
