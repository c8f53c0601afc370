import { Injectable } from '@nestjs/common';
import { DIRECTORY } from '../backups/catalog-codes';
import { slices, type Column, type Sql } from '../database/sql';

export interface Removal {
  readonly no: number;
  readonly id: string;
  readonly taskNo: number;
  readonly taskId: string;
  readonly cause: 'policy' | 'forget';
  readonly decidedMs: number;
}

/** A version that goes. */
export interface DoomedVersion {
  readonly pathNo: number;
  readonly firstRun: number;
  readonly lastRun: number | null;
  readonly joinsRun: number | null;
}

interface Interval {
  from: number;
  /** Exclusive. */
  to: number;
}

const PATH_NO: readonly Column[] = [{ name: 'no', type: 'int' }];
const VERSION: readonly Column[] = [
  { name: 'path_no', type: 'int' },
  { name: 'first_run', type: 'int' },
];
const SELECT_REMOVAL = `select r.no, r.id, r.task_no as "taskNo", t.id as "taskId", r.cause, r.created_at as "decidedMs"
  from removals r join tasks t on t.no = r.task_no`;

/** Removals on their way: decided, recorded in storage, gone. */
@Injectable()
export class RemovalsRepository {
  /**
   * To be called under the task's lock. The time of the decision is never before the stamp of a run that it saw, also when a clock
   * that ran ahead was put back meanwhile: by these two an adoption tells what came first. {@link keep} or {@link drop} is to follow.
   */
  async insert(
    tx: Sql,
    removal: {
      id: string;
      taskNo: number;
      cause: 'policy' | 'forget';
      requestedBy: string | null;
      note: string | null;
    },
  ): Promise<number> {
    const task = await tx.get<{ lastStamp: number }>('select last_stamp as "lastStamp" from tasks where no = ?', [
      removal.taskNo,
    ]);
    const decidedMs = Math.max(await tx.now(), task?.lastStamp ?? 0);
    const row = await tx.get<{ no: number }>(
      `insert into removals (id, task_no, cause, requested_by, note, created_at) values (?, ?, ?, ?, ?, ?) returning no`,
      [removal.id, removal.taskNo, removal.cause, removal.requestedBy, removal.note, decidedMs],
    );
    if (row === undefined) throw new Error('the new removal got no number');
    return row.no;
  }

  /** One that takes something: no later run of the task has a stamp that is not above it, also when the clock is put back now. */
  async keep(tx: Sql, taskNo: number, removalNo: number): Promise<void> {
    const row = await tx.get<{ decidedMs: number }>('select created_at as "decidedMs" from removals where no = ?', [
      removalNo,
    ]);
    if (row === undefined) throw new Error(`removal ${removalNo} has no row`);
    await raiseStamp(tx, taskNo, row.decidedMs);
  }

  /** One that came to take nothing. It leaves no trace: a stamp would tell storage of something new. */
  async drop(tx: Sql, removalNo: number): Promise<void> {
    await tx.run('delete from removals where no = ?', [removalNo]);
  }

  listOpen(sql: Sql, taskNo: number): Promise<Removal[]> {
    return sql.all<Removal>(`${SELECT_REMOVAL} where r.task_no = ? and r.removed_at is null order by r.no`, [taskNo]);
  }

  /** Those of the ids whose versions are gone. */
  async doneAmong(sql: Sql, ids: readonly string[]): Promise<Set<string>> {
    const done = new Set<string>();
    for await (const slice of slices(ids)) {
      const rows = await sql.allWith<{ id: string }>(
        { columns: [{ name: 'id', type: 'text' }], rows: slice.map((id) => [id]) },
        'select r.id from input join removals r on r.id = input.id where r.removed_at is not null',
      );
      for (const { id } of rows) done.add(id);
    }
    return done;
  }

  /**
   * A removal that storage has the record of, with those of its versions that are (still) there: {@link remove} is to follow in the
   * same transaction; one that is current here and was not when it was removed is another, and stays. Returns its number here; null
   * when it was brought to its end before. Keeps the number that it had where
   * that is free.
   */
  async adopt(
    tx: Sql,
    removal: Omit<Removal, 'no' | 'taskId'> & { readonly number: number },
    doomed: readonly DoomedVersion[],
  ): Promise<number | null> {
    const { id, number, taskNo, cause, decidedMs } = removal;
    await tx.run(
      `insert into removals (no, id, task_no, cause, created_at) values (?, ?, ?, ?, ?) on conflict do nothing`,
      [number, id, taskNo, cause, decidedMs],
    );
    await tx.run(
      `insert into removals (id, task_no, cause, created_at) select ?, cast(? as integer), ?, cast(? as bigint)
       where not exists (select 1 from removals r where r.id = ?)`,
      [id, taskNo, cause, decidedMs, id],
    );
    const row = await tx.get<{ no: number; removedAt: number | null }>(
      'select no, removed_at as "removedAt" from removals where id = ?',
      [id],
    );
    if (row === undefined) throw new Error(`removal ${id} has no row`);
    await raiseStamp(tx, taskNo, decidedMs);
    if (row.removedAt !== null) return null;
    for await (const slice of slices(doomed)) {
      await tx.runWith(
        {
          columns: [...VERSION, { name: 'last_run', type: 'int' }, { name: 'joins_run', type: 'int' }],
          rows: slice.map(({ pathNo, firstRun, lastRun, joinsRun }) => [pathNo, firstRun, lastRun, joinsRun]),
        },
        `insert into doomed_versions (task_no, path_no, first_run, last_run, joins_run, reason, removal_no)
         select cast(? as integer), input.path_no, input.first_run, input.last_run, input.joins_run, 'recorded', cast(? as integer)
         from input where exists (select 1 from file_versions v
           where v.task_no = ? and v.path_no = input.path_no and v.first_run = input.first_run
             and (v.last_run is not null or input.last_run is null))
         on conflict (task_no, path_no, first_run) do update set removal_no = excluded.removal_no,
           last_run = excluded.last_run, joins_run = excluded.joins_run`,
        [taskNo, row.no, taskNo],
      );
    }
    return row.no;
  }

  /** No number is given again that a removal which was adopted has. */
  async raiseNumbers(tx: Sql): Promise<void> {
    const row = await tx.get<{ no: number | null }>('select max(no) as no from removals');
    if (row !== undefined && row.no !== null) await tx.raiseLastNo('removals', row.no);
  }

  async isOpen(sql: Sql, { id }: Removal): Promise<boolean> {
    return (await sql.get('select 1 as one from removals where id = ? and removed_at is null', [id])) !== undefined;
  }

  async tasksWithOpen(sql: Sql): Promise<number[]> {
    const rows = await sql.all<{ taskNo: number }>(
      'select distinct task_no as "taskNo" from removals where removed_at is null order by task_no',
    );
    return rows.map(({ taskNo }) => taskNo);
  }

  /** In the order of path numbers. */
  doomed(sql: Sql, removal: Removal): Promise<DoomedVersion[]> {
    return sql.all<DoomedVersion>(
      `select path_no as "pathNo", first_run as "firstRun", last_run as "lastRun", joins_run as "joinsRun"
       from doomed_versions where task_no = ? and removal_no = ? order by path_no, first_run`,
      [removal.taskNo, removal.no],
    );
  }

  /** The path of each number, climbing to the root level by level. */
  async pathsOf(sql: Sql, numbers: Iterable<number>): Promise<Map<number, Buffer>> {
    const known = new Map<number, { parentNo: number; name: Buffer }>();
    const wanted = new Set(numbers);
    for (let open = [...wanted]; open.length > 0;) {
      const parents = new Set<number>();
      for await (const slice of slices(open)) {
        const rows = await sql.allWith<{ no: number; parentNo: number; name: Buffer }>(
          { columns: PATH_NO, rows: slice.map((no) => [no]) },
          'select p.no, p.parent_no as "parentNo", p.name from input cross join paths p where p.no = input.no',
        );
        for (const { no, parentNo, name } of rows) {
          known.set(no, { parentNo, name });
          parents.add(parentNo);
        }
      }
      parents.delete(0);
      open = [...parents].filter((no) => !known.has(no));
    }
    return new Map([...wanted].map((no) => [no, pathOf(no, known)]));
  }

  /**
   * The rows go: snapshots that showed them are thinned, intervals of directories are joined. False when it was done
   * before. To be called when storage holds the removal's record, and not earlier.
   */
  async remove(tx: Sql, removal: Removal): Promise<boolean> {
    const row = await tx.get(`select no from removals where no = ? and removed_at is null ${tx.forUpdate()}`, [
      removal.no,
    ]);
    if (row === undefined) return false;
    await this.spareFilled(tx, removal);
    const doomed = await this.doomed(tx, removal);
    let logicalBytes = 0;
    for await (const slice of slices(doomed)) {
      const rows = slice.map(({ pathNo, firstRun }) => [pathNo, firstRun]);
      const sum = await tx.allWith<{ bytes: number | null }>(
        { columns: VERSION, rows },
        `select sum(v.size) as bytes from input cross join file_versions v
         where v.task_no = ? and v.path_no = input.path_no and v.first_run = input.first_run`,
        [removal.taskNo],
      );
      logicalBytes += sum[0]?.bytes ?? 0;
      await tx.runWith(
        { columns: VERSION, rows },
        `delete from file_versions where task_no = ? and (path_no, first_run) in (select path_no, first_run from input)`,
        [removal.taskNo],
      );
    }
    await this.join(tx, removal.taskNo, doomed);
    await this.markThinned(tx, removal.taskNo, doomed);
    await tx.run('delete from doomed_versions where task_no = ? and removal_no = ?', [removal.taskNo, removal.no]);
    if (removal.cause === 'forget') {
      // The head changed behind the agent's back: its index is fetched anew, and what is still there is sent again.
      await tx.run('update tasks set generation = generation + 1 where no = ?', [removal.taskNo]);
    }
    await tx.run('update removals set removed_at = ?, versions = ?, logical_bytes = ? where no = ?', [
      await tx.now(),
      doomed.length,
      logicalBytes,
      removal.no,
    ]);
    return true;
  }

  /**
   * Directories that were current when they were doomed stay where a run has put something into them since, after a hold that lapsed:
   * that would lie in a directory which no listing shows. From below upwards, so those above one that stays do, too.
   */
  private async spareFilled(tx: Sql, { taskNo, no }: Removal): Promise<void> {
    const isDoomed = `exists (select 1 from doomed_versions d
      where d.task_no = o.task_no and d.path_no = o.path_no and d.first_run = o.first_run)`;
    for (let spared = 1; spared > 0;) {
      const { changes } = await tx.run(
        `delete from doomed_versions where task_no = ? and removal_no = ? and last_run is null
           and exists (select 1 from file_versions v cross join paths p cross join file_versions o
             where v.task_no = doomed_versions.task_no and v.path_no = doomed_versions.path_no
               and v.first_run = doomed_versions.first_run and v.kind = ${DIRECTORY}
               and p.task_no = v.task_no and p.parent_no = v.path_no and o.task_no = p.task_no and o.path_no = p.no
               and (v.last_run is null or o.first_run < v.last_run)
               and (o.last_run is null or o.last_run > v.exists_since) and not ${isDoomed})`,
        [taskNo, no],
      );
      spared = changes;
    }
  }

  private async join(tx: Sql, taskNo: number, doomed: readonly DoomedVersion[]): Promise<void> {
    const firsts = new Map<string, [number, number, number]>();
    for (const { pathNo, firstRun, joinsRun } of doomed) {
      if (joinsRun === null) continue;
      const key = `${pathNo} ${joinsRun}`;
      const first = Math.min(firstRun, firsts.get(key)?.[2] ?? firstRun);
      firsts.set(key, [pathNo, joinsRun, first]);
    }
    for await (const slice of slices([...firsts.values()])) {
      await tx.runWith(
        { columns: [...VERSION, { name: 'new_first', type: 'int' }], rows: slice },
        `update file_versions set first_run = input.new_first from input
         where file_versions.task_no = ? and file_versions.path_no = input.path_no
           and file_versions.first_run = input.first_run`,
        [taskNo],
      );
    }
  }

  private async markThinned(tx: Sql, taskNo: number, doomed: readonly DoomedVersion[]): Promise<void> {
    for (const { from, to } of mergedIntervals(doomed)) {
      await tx.run(
        `update runs set is_thinned = 1
         where task_no = ? and number >= ? and number < ? and is_thinned = 0 and state in ('succeeded', 'partial')`,
        [taskNo, from, to],
      );
    }
  }
}

async function raiseStamp(tx: Sql, taskNo: number, stampMs: number): Promise<void> {
  await tx.run('update tasks set last_stamp = ? where no = ? and last_stamp < ?', [stampMs, taskNo, stampMs]);
}

/** Above every run's number, which is an integer of 32 bits on PostgreSQL. */
const LAST_RUN = 2 ** 31 - 1;

/** A directory's joined interval shows it still: what thins a snapshot is what it shows no more. */
function mergedIntervals(doomed: readonly DoomedVersion[]): Interval[] {
  const taken = doomed
    .filter(({ joinsRun }) => joinsRun === null)
    .map(({ firstRun, lastRun }) => ({ from: firstRun, to: lastRun ?? LAST_RUN }))
    .sort((a, b) => a.from - b.from);
  const merged: Interval[] = [];
  for (const interval of taken) {
    const last = merged.at(-1);
    if (last !== undefined && interval.from <= last.to) last.to = Math.max(last.to, interval.to);
    else merged.push({ ...interval });
  }
  return merged;
}

function pathOf(no: number, known: ReadonlyMap<number, { parentNo: number; name: Buffer }>): Buffer {
  const names: Buffer[] = [];
  for (let at = no; at !== 0;) {
    const node = known.get(at);
    if (node === undefined) throw new Error(`path ${at} has no row`);
    names.push(node.name);
    at = node.parentNo;
  }
  const parts = names
    .reverse()
    .slice(1)
    .flatMap((name) => [SLASH, name]);
  return parts.length === 0 ? SLASH : Buffer.concat(parts);
}

const SLASH = Buffer.from('/');
