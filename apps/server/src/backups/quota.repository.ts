import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

export interface QuotaUsage {
  /** Stored for the user's clients, computed as if he were alone; what reclaim has not taken yet included. */
  readonly usedBytes: number;
  /** Null: as much as there is room for. */
  readonly quotaBytes: number | null;
}

/** Quotas of users, and the counters of what is stored in their domains. */
@Injectable()
export class QuotaRepository {
  /** Of the client's owner. */
  async usageOf(sql: Sql, clientNo: number): Promise<QuotaUsage> {
    const row = await sql.get<QuotaUsage>(
      `select u.quota_bytes as "quotaBytes",
         (select coalesce(sum(d.stored_bytes), 0) from domains d
          where d.no = u.domain_no or d.no in (select o.domain_no from clients o where o.owner_no = u.no)) as "usedBytes"
       from clients c join users u on u.no = c.owner_no where c.no = ?`,
      [clientNo],
    );
    return row ?? { usedBytes: 0, quotaBytes: null };
  }
}

/**
 * Moves a domain's counter, with the rows of its chunks. To be the last write of its transaction: uploads of one domain wait for each
 * other here, and for nothing after it.
 */
export async function countStored(tx: Sql, domainNo: number, bytes: number): Promise<void> {
  if (bytes === 0) return;
  await tx.run('update domains set stored_bytes = stored_bytes + ? where no = ?', [bytes, domainNo]);
}
