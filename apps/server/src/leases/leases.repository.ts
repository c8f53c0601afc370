import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

const AHEAD_MS = 3_600_000;

@Injectable()
export class LeasesRepository {
  /**
   * True when the lease is free, over, or the holder's own: it is his until `until` then. One that ends much later than this one would
   * was taken by a clock that was ahead, and is over: who is alive has renewed it since.
   */
  async take(tx: Sql, lease: { name: string; holder: string; now: number; until: number }): Promise<boolean> {
    const { changes } = await tx.run(
      `insert into leases (name, holder, until_at) values (?, ?, ?)
       on conflict (name) do update set holder = excluded.holder, until_at = excluded.until_at
         where leases.until_at <= ? or leases.holder = excluded.holder or leases.until_at > ?`,
      [lease.name, lease.holder, lease.until, lease.now, lease.until + AHEAD_MS],
    );
    return changes === 1;
  }

  async release(tx: Sql, name: string, holder: string): Promise<void> {
    await tx.run('delete from leases where name = ? and holder = ?', [name, holder]);
  }
}
