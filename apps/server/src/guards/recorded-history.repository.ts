import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

/** A run or removal that an object in storage names. */
export interface NamedRecord {
  readonly kind: 'run' | 'removal';
  /** UUID */
  readonly id: string;
}

/** What the database knows of the history that storage holds too. */
@Injectable()
export class RecordedHistory {
  /**
   * Those of the records that have no row, and that no admin has said he lives without. A run that has a manifest in storage was
   * committing at least: a row that says it runs still is older than that.
   */
  async findUnknown(sql: Sql, records: readonly NamedRecord[]): Promise<NamedRecord[]> {
    const rows = await sql.allWith<{ n: number }>(
      {
        columns: [
          { name: 'kind', type: 'text' },
          { name: 'id', type: 'text' },
        ],
        rows: records.map(({ kind, id }) => [kind, id]),
      },
      `select input.n from input
       where ((input.kind = 'run' and not exists (select 1 from runs r where r.id = input.id
             and r.state not in ('queued', 'missed', 'running')))
           or (input.kind = 'removal' and not exists (select 1 from removals m where m.id = input.id)))
         and not exists (select 1 from guard_acknowledgements a where a.kind = 'storage-ahead' and a.subject = input.id)
       order by input.n`,
    );
    return rows.flatMap(({ n }) => records[n] ?? []);
  }
}
