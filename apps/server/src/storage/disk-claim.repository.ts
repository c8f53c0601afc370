import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

const NAME = 'local-disk';

export interface ClaimRow {
  /** What the file on the disk of who holds the claim says. */
  readonly holder: string;
  readonly until_at: number;
}

/** The claim's row among the leases. */
@Injectable()
export class DiskClaimRepository {
  /** Nobody else reads or changes it until the end of the transaction. */
  async lock(tx: Sql): Promise<ClaimRow | undefined> {
    await tx.run('insert into leases (name, holder, until_at) values (?, ?, ?) on conflict (name) do nothing', [
      NAME,
      '',
      0,
    ]);
    return tx.get<ClaimRow>(`select holder, until_at from leases where name = ? ${tx.forUpdate()}`, [NAME]);
  }

  /** Who holds the claim; nobody else takes it until the end of the transaction. */
  async holder(tx: Sql): Promise<string> {
    const row = await tx.get<Pick<ClaimRow, 'holder'>>(`select holder from leases where name = ? ${tx.forShare()}`, [
      NAME,
    ]);
    return row?.holder ?? '';
  }

  async set(tx: Sql, { holder, until_at }: ClaimRow): Promise<void> {
    await tx.run('update leases set holder = ?, until_at = ? where name = ?', [holder, until_at, NAME]);
  }
}
