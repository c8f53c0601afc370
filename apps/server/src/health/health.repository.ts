import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

@Injectable()
export class HealthRepository {
  async probe(sql: Sql): Promise<void> {
    await sql.get('select 1 as one');
  }

  /** Whether stored bytes are known to be wrong or gone: reads an index of those chunks alone. */
  async hasDamage(sql: Sql): Promise<boolean> {
    return (await sql.get('select 1 as one from chunks where damaged = 1 limit 1')) !== undefined;
  }

  /** How the last dump of the catalog ended, rehearsals left out; undefined: none was made yet. */
  async lastDump(sql: Sql): Promise<string | undefined> {
    const row = await sql.get<{ outcome: string }>(
      `select outcome from maintenance_runs
       where job = 'catalog-dump' and is_dry_run = 0 and ended_at is not null order by no desc limit 1`,
    );
    return row?.outcome;
  }
}
