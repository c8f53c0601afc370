import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

const NAME = 'token-secret';

@Injectable()
export class SigningKeyRepository {
  /** The secret that is kept; `fresh` becomes it when there is none. Many servers at once get the same one. */
  async loadOrCreate(tx: Sql, fresh: string): Promise<string> {
    await tx.run('insert into settings (name, value) values (?, ?) on conflict do nothing', [NAME, fresh]);
    // A second statement: whoever was faster has committed, or the insert would have waited for him.
    const row = await tx.get<{ value: string }>('select value from settings where name = ?', [NAME]);
    if (row === undefined) throw new Error('the token secret was neither found nor made');
    return row.value;
  }
}
