import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

/** Domains: the sets of clients within which a chunk may be named by its id. */
@Injectable()
export class DomainsService {
  /** A new domain that holds nothing; returns its number. */
  async open(tx: Sql): Promise<number> {
    const row = await tx.get<{ no: number }>('insert into domains (created_at) values (?) returning no', [
      await tx.now(),
    ]);
    if (row === undefined) throw new Error('the database returned no domain number');
    return row.no;
  }
}
