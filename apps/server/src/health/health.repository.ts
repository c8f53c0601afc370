import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

@Injectable()
export class HealthRepository {
  async probe(sql: Sql): Promise<void> {
    await sql.get('select 1 as one');
  }

  /** Names of the migrations that the database has been through, as TypeORM keeps them. */
  async migrations(sql: Sql): Promise<string[]> {
    return (await sql.all<{ name: string }>('select name from migrations order by id')).map(({ name }) => name);
  }
}
