import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import { type Storage, STORAGE } from '../storage/storage';
import { type NamedRecord, RecordedHistory } from './recorded-history.repository';

/** Clocks of servers and database differ by less, and stamps are pushed forward by a millisecond at most. */
const TOLERANCE_MS = 60_000;
const KEYS_PER_LOOK = 500;
const RECORD_KEY = /\/(run|removed)-[0-9]+-([0-9a-f-]{36})$/;

/** Looked at before anything is deleted: a wrong storage, an older database or a wrong clock deletes the wrong things. */
@Injectable()
export class DeletionGuard {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly identity: RepositoryIdentity,
    private readonly recorded: RecordedHistory,
  ) {}

  /**
   * Throws `storage-unavailable` when the storage is another repository's, and `deletion-stopped` when the clock stands
   * behind the newest run, or when storage knows a run or a removal that the database does not: then the database is older
   * than its storage, and takes for unused what later runs refer to (durability.md, invariant 12).
   */
  async assertSafe(): Promise<void> {
    await this.identity.verify();
    await this.assertClock();
    await this.assertNewest();
  }

  private async assertClock(): Promise<void> {
    const { now, newest } = await this.database.read(async (sql) => ({
      now: await sql.now(),
      newest: await this.recorded.newestStamp(sql),
    }));
    if (now + TOLERANCE_MS >= newest) return;
    throw new DomainError(
      'deletion-stopped',
      `The clock says ${new Date(now).toISOString()}, which is before the newest run (${new Date(newest).toISOString()}). ` +
        'Nothing is deleted until the clock is right.',
    );
  }

  private async assertNewest(): Promise<void> {
    let records: NamedRecord[] = [];
    for await (const { key } of this.storage.list('tasks/')) {
      const [, kind, id] = RECORD_KEY.exec(key) ?? [];
      if (id === undefined) continue;
      records.push({ kind: kind === 'run' ? 'run' : 'removal', id });
      if (records.length < KEYS_PER_LOOK) continue;
      await this.assertKnown(records);
      records = [];
    }
    await this.assertKnown(records);
  }

  private async assertKnown(records: readonly NamedRecord[]): Promise<void> {
    const unknown = await this.database.read((sql) => this.recorded.findUnknown(sql, records));
    if (unknown === undefined) return;
    throw new DomainError(
      'deletion-stopped',
      `The storage has the ${unknown.kind} ${unknown.id}, which the database does not know: the database is older than its storage. ` +
        'Nothing is deleted. Bring the newest database back.',
    );
  }
}
