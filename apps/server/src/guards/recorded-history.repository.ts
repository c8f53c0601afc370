import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

/** A run or removal that an object in storage names. */
export interface NamedRecord {
  readonly kind: 'run' | 'removal';
  /** UUID */
  readonly id: string;
}

export interface UnknownRecord<R extends NamedRecord = NamedRecord> {
  readonly record: R;
  /** A run that failed or was cancelled by its row: it is known after all when storage says that it is void. */
  readonly isEnded: boolean;
}

/** What the database knows of the history that storage holds too. */
@Injectable()
export class RecordedHistory {
  /**
   * Those of the records that have no row, and that no admin has said he lives without. A run that has a manifest in storage was
   * committing at least: a row that says it runs still, or was given up before it had a stamp, is older than that.
   */
  async findUnknown<R extends NamedRecord>(sql: Sql, records: readonly R[]): Promise<UnknownRecord<R>[]> {
    const rows = await sql.allWith<{ n: number; isEnded: number }>(
      {
        columns: [
          { name: 'kind', type: 'text' },
          { name: 'id', type: 'text' },
        ],
        rows: records.map(({ kind, id }) => [kind, id]),
      },
      `select input.n, case when exists (select 1 from runs r where r.id = input.id
           and r.state in ('failed', 'cancelled')) then 1 else 0 end as "isEnded" from input
       where ((input.kind = 'run' and not exists (select 1 from runs r where r.id = input.id
             and (r.state in ('succeeded', 'partial', 'committing') or (r.state = 'undoing' and r.stamp is not null))))
           or (input.kind = 'removal' and not exists (select 1 from removals m where m.id = input.id)))
         and not exists (select 1 from guard_acknowledgements a where a.kind = 'storage-ahead' and a.subject = input.id)
       order by input.n`,
    );
    return rows.flatMap(({ n, isEnded }) => {
      const record = records[n];
      return record === undefined ? [] : [{ record, isEnded: isEnded === 1 }];
    });
  }
}
