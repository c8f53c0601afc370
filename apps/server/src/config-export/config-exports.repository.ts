import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

/** Where the line of exports stands. */
export interface ExportPlace {
  /** Of the newest export that was begun. */
  readonly number: number;
  /** Of the newest that is known to be in storage: its number, and what digest its rows have. */
  readonly stored: { readonly number: number; readonly digest: string } | null;
  /** Exports up to this number that this database did not make: it is older than its storage, and removes none of them. */
  readonly foreignUpTo: number;
}

const SETTING = 'config_export';
const NONE: ExportPlace = { number: 0, stored: null, foreignUpTo: 0 };

@Injectable()
export class ConfigExportsRepository {
  async load(sql: Sql): Promise<ExportPlace> {
    const row = await sql.get<{ value: string }>('select value from settings where name = ?', [SETTING]);
    return row === undefined ? NONE : (JSON.parse(row.value) as ExportPlace);
  }

  /** Held until the transaction ends: exports of all servers are read one after the other. */
  async lock(tx: Sql): Promise<ExportPlace> {
    await tx.run('insert into settings (name, value) values (?, ?) on conflict do nothing', [
      SETTING,
      JSON.stringify(NONE),
    ]);
    await tx.get(`select name from settings where name = ? ${tx.forUpdate()}`, [SETTING]);
    return this.load(tx);
  }

  async save(tx: Sql, place: ExportPlace): Promise<void> {
    await tx.run('update settings set value = ? where name = ?', [JSON.stringify(place), SETTING]);
  }

  /** Exports up to this number are somebody else's, are left where they are, and are none that hold this database's back any more. */
  async accept(tx: Sql, number: number): Promise<void> {
    const place = await this.lock(tx);
    if (number <= place.number) return;
    await this.save(tx, { ...place, number, foreignUpTo: number });
  }

  async repositoryId(sql: Sql): Promise<string> {
    const row = await sql.get<{ value: string }>(`select value from settings where name = 'repository_id'`);
    if (row === undefined) throw new Error('the repository has no id yet');
    return row.value;
  }
}
