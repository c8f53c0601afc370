import { Injectable } from '@nestjs/common';
import type { SpaceDay, SpaceLevel } from '#common';
import { type Column, slices, type Sql } from '../database/sql';
import type { Reckoned } from './space-tally';

/** How long days are kept: of all and of users; of clients and tasks, of which there are many. */
const KEPT_DAYS = 400;
const KEPT_OF_MANY_DAYS = 100;

const COLUMNS: readonly Column[] = [
  { name: 'level', type: 'text' },
  { name: 'subject_no', type: 'int' },
  { name: 'day', type: 'text' },
  { name: 'logical_bytes', type: 'int' },
  { name: 'unique_bytes', type: 'int' },
  { name: 'stored_bytes', type: 'int' },
  { name: 'reclaimable_bytes', type: 'int' },
  { name: 'up_to_run', type: 'int' },
  { name: 'at', type: 'int' },
];
const SUBJECT: readonly Column[] = [
  { name: 'level', type: 'text' },
  { name: 'subject_no', type: 'int' },
];
const FIGURES = `s.logical_bytes as "logicalBytes", s.unique_bytes as "uniqueBytes", s.stored_bytes as "storedBytes",
  s.reclaimable_bytes as "reclaimableBytes"`;

/** Whose figures; 0: of all. */
export interface SpaceSubject {
  readonly level: SpaceLevel;
  readonly subjectNo: number;
}

export type KeptFigures = Reckoned & { readonly at: number };

/** What was stored for whom, day by day. */
@Injectable()
export class SpaceDaysRepository {
  /** The newest day of each of these: two looks at the key for each, however many days and others there are. */
  async newest(sql: Sql, wanted: readonly SpaceSubject[]): Promise<KeptFigures[]> {
    const found: KeptFigures[] = [];
    for await (const slice of slices(wanted)) {
      const rows = slice.map(({ level, subjectNo }) => [level, subjectNo]);
      found.push(
        ...(await sql.allWith<KeptFigures>(
          { columns: SUBJECT, rows },
          `select s.level, s.subject_no as "subjectNo", ${FIGURES}, s.up_to_run as "upToRun", s.at
           from input cross join space_days s
           where s.level = input.level and s.subject_no = input.subject_no and s.day = (
             select max(m.day) from space_days m where m.level = input.level and m.subject_no = input.subject_no)`,
        )),
      );
    }
    return found;
  }

  /** Of each, oldest first: those from `from` on, and the last one before, which tells what that day began with. */
  history(
    sql: Sql,
    { level, subjectNos, from }: { level: SpaceLevel; subjectNos: readonly number[]; from: string },
  ): Promise<(SpaceDay & { subjectNo: number })[]> {
    return sql.allWith<SpaceDay & { subjectNo: number }>(
      { columns: [{ name: 'subject_no', type: 'int' }], rows: subjectNos.map((no) => [no]) },
      `select s.subject_no as "subjectNo", s.day, ${FIGURES} from input cross join space_days s
       where s.level = ? and s.subject_no = input.subject_no and s.day >= coalesce(
         (select max(m.day) from space_days m where m.level = ? and m.subject_no = input.subject_no and m.day <= ?), '')
       order by s.subject_no, s.day`,
      [level, level, from],
    );
  }

  /** A second reckoning of a day takes the place of the first. */
  async save(tx: Sql, figures: readonly Reckoned[], { day, at }: { day: string; at: number }): Promise<void> {
    const rows = figures.map((one) => [
      ...[one.level, one.subjectNo, day, one.logicalBytes, one.uniqueBytes, one.storedBytes, one.reclaimableBytes],
      ...[one.upToRun, at],
    ]);
    await tx.insertMany(
      'space_days',
      COLUMNS,
      rows,
      `on conflict (level, subject_no, day) do update set logical_bytes = excluded.logical_bytes,
         unique_bytes = excluded.unique_bytes, stored_bytes = excluded.stored_bytes,
         reclaimable_bytes = excluded.reclaimable_bytes, up_to_run = excluded.up_to_run, at = excluded.at`,
    );
  }

  /** Removes what is older than is kept, but for the newest of each, and all of who is gone. `dayAgo`: the day so many days ago. */
  async prune(tx: Sql, dayAgo: (days: number) => string): Promise<void> {
    await tx.run(
      `delete from space_days where ((level in ('all', 'user') and day < ?) or (level in ('client', 'task') and day < ?))
         and exists (select 1 from space_days n where n.level = space_days.level
           and n.subject_no = space_days.subject_no and n.day > space_days.day)`,
      [dayAgo(KEPT_DAYS), dayAgo(KEPT_OF_MANY_DAYS)],
    );
    for (const [level, table] of [
      ['user', 'users'],
      ['client', 'clients'],
      ['task', 'tasks'],
    ] as const) {
      await tx.run(`delete from space_days where level = ? and subject_no not in (select no from ${table})`, [level]);
    }
  }
}
