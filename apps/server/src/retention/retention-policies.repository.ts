import { Injectable } from '@nestjs/common';
import { NO_POLICY, type RetentionPolicy } from '#engine';
import type { PolicyColumns } from '../database/entities/retention.entities';
import type { Sql } from '../database/sql';

/** What a policy can be set on. */
export type PolicyLevel = 'users' | 'clients' | 'tasks';

/** A user, client or task that a policy is set on, and whom it belongs to. */
export interface PolicyPlace {
  readonly no: number;
  readonly ownerNo: number;
  /** From the user down to this very level. */
  readonly levels: readonly RetentionPolicy[];
}

/** A task with all that decides what of it is kept. */
export interface TaskPolicies {
  readonly taskNo: number;
  readonly taskId: string;
  readonly headRun: number | null;
  readonly timeZone: string | null;
  /** User, client, task. */
  readonly levels: readonly RetentionPolicy[];
}

const COLUMNS: Readonly<Record<keyof RetentionPolicy, keyof PolicyColumns>> = {
  kind: 'retention_kind',
  versions: 'retention_versions',
  days: 'retention_days',
  deletedDays: 'deleted_days',
  keepLast: 'keep_last',
  keepHourly: 'keep_hourly',
  keepDaily: 'keep_daily',
  keepWeekly: 'keep_weekly',
  keepMonthly: 'keep_monthly',
  keepYearly: 'keep_yearly',
};
const FIELDS = Object.entries(COLUMNS) as [keyof RetentionPolicy, string][];

type Row = Record<string, string | number | null>;

/** Columns of a policy, each named `<alias>_<field>`. */
function selected(alias: string): string {
  return FIELDS.map(([field, column]) => `${alias}.${column} as "${alias}_${field}"`).join(', ');
}

function policyOf(row: Row, alias: string): RetentionPolicy {
  return { ...NO_POLICY, ...Object.fromEntries(FIELDS.map(([field]) => [field, row[`${alias}_${field}`] ?? null])) };
}

const FROM: Readonly<Record<PolicyLevel, { readonly source: string; readonly aliases: readonly string[] }>> = {
  users: { source: 'users u', aliases: ['u'] },
  clients: { source: 'clients c join users u on u.no = c.owner_no', aliases: ['u', 'c'] },
  tasks: {
    source: 'tasks t join clients c on c.no = t.client_no join users u on u.no = c.owner_no',
    aliases: ['u', 'c', 't'],
  },
};

/** The policy columns of users, clients and tasks. */
@Injectable()
export class RetentionPoliciesRepository {
  async find(sql: Sql, level: PolicyLevel, id: string): Promise<PolicyPlace | undefined> {
    const { source, aliases } = FROM[level];
    const own = aliases.at(-1) ?? '';
    const row = await sql.get<Row & { no: number; ownerNo: number }>(
      `select ${own}.no, u.no as "ownerNo", ${aliases.map(selected).join(', ')} from ${source} where ${own}.id = ?`,
      [id],
    );
    if (row === undefined) return undefined;
    return { no: row.no, ownerNo: row.ownerNo, levels: aliases.map((alias) => policyOf(row, alias)) };
  }

  async replace(tx: Sql, level: PolicyLevel, no: number, policy: RetentionPolicy): Promise<void> {
    const assignments = FIELDS.map(([, column]) => `${column} = ?`).join(', ');
    await tx.run(`update ${level} set ${assignments} where no = ?`, [...FIELDS.map(([field]) => policy[field]), no]);
  }

  async ofTask(sql: Sql, taskNo: number): Promise<TaskPolicies> {
    const [task] = await this.list(sql, 't.no = ?', taskNo);
    if (task === undefined) throw new Error(`task ${taskNo} has gone`);
    return task;
  }

  ofAllTasks(sql: Sql): Promise<TaskPolicies[]> {
    return this.list(sql, 't.no > ?', 0);
  }

  ofTasksAt(sql: Sql, level: PolicyLevel, no: number): Promise<TaskPolicies[]> {
    return this.list(sql, `${FROM[level].aliases.at(-1) ?? ''}.no = ?`, no);
  }

  private async list(sql: Sql, where: string, value: number): Promise<TaskPolicies[]> {
    const { source, aliases } = FROM.tasks;
    const rows = await sql.all<
      Row & { taskNo: number; taskId: string; headRun: number | null; timeZone: string | null }
    >(
      `select t.no as "taskNo", t.id as "taskId", t.head_run as "headRun", t.time_zone as "timeZone",
         ${aliases.map(selected).join(', ')}
       from ${source} where ${where} order by t.no`,
      [value],
    );
    return rows.map((row) => {
      const { taskNo, taskId, headRun, timeZone } = row;
      return { taskNo, taskId, headRun, timeZone, levels: aliases.map((alias) => policyOf(row, alias)) };
    });
  }
}
