import { Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { FreeSpace } from '../storage/free-space';
import { QuotaRepository } from './quota.repository';

/** Whether there is room for more: below the owner's quota, and on the disk. Asked before bytes are sent. */
@Injectable()
export class UploadRoom {
  constructor(
    private readonly database: Database,
    private readonly quotas: QuotaRepository,
    private readonly disk: FreeSpace,
  ) {}

  /** Throws `quota-exceeded` or `storage-full` when the client may not add so many bytes to what is stored. */
  async assertRoomFor(clientNo: number, bytes: number): Promise<void> {
    const refusal = await this.database.read((sql) => this.overQuota(sql, clientNo, bytes));
    if (refusal !== null) throw refusal;
    await this.disk.assertRoomFor(bytes);
  }

  /** As {@link assertRoomFor} for the next byte, but returned. */
  async refusalOf(clientNo: number): Promise<DomainError | null> {
    try {
      await this.assertRoomFor(clientNo, 1);
      return null;
    } catch (error) {
      if (error instanceof DomainError && (error.code === 'quota-exceeded' || error.code === 'storage-full')) {
        return error;
      }
      throw error;
    }
  }

  /** In the transaction that added to what is stored: takes it back when that was too much. */
  async assertWithin(tx: Sql, clientNo: number): Promise<void> {
    const refusal = await this.overQuota(tx, clientNo, 0);
    if (refusal !== null) throw refusal;
  }

  private async overQuota(sql: Sql, clientNo: number, bytes: number): Promise<DomainError | null> {
    const { usedBytes, quotaBytes } = await this.quotas.usageOf(sql, clientNo);
    if (quotaBytes === null || usedBytes + bytes <= quotaBytes) return null;
    return new DomainError(
      'quota-exceeded',
      `The quota is used up: ${usedBytes} bytes are stored of ${quotaBytes} that the user may have` +
        `${bytes > 1 ? `, and ${bytes} more were to come` : ''}. Nothing was stored. ` +
        'An admin can raise the quota; retention and deletion give space back after reclaim.',
      { details: { usedBytes, quotaBytes } },
    );
  }
}
