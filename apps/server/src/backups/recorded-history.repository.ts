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
  /** Newest stamp that any task issued, ms; 0: none. */
  async newestStamp(sql: Sql): Promise<number> {
    const row = await sql.get<{ stamp: number | null }>('select max(last_stamp) as stamp from tasks');
    return row?.stamp ?? 0;
  }

  /** One of the records that has no row. */
  async findUnknown(sql: Sql, records: readonly NamedRecord[]): Promise<NamedRecord | undefined> {
    const [row] = await sql.allWith<{ n: number }>(
      {
        columns: [
          { name: 'kind', type: 'text' },
          { name: 'id', type: 'text' },
        ],
        rows: records.map(({ kind, id }) => [kind, id]),
      },
      `select input.n from input
       where (input.kind = 'run' and not exists (select 1 from runs r where r.id = input.id))
         or (input.kind = 'removal' and not exists (select 1 from removals m where m.id = input.id))
       limit 1`,
    );
    return row === undefined ? undefined : records[row.n];
  }
}
