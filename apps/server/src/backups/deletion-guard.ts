import { Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';

/** Clocks of servers and database differ by less, and stamps are pushed forward by a millisecond at most. */
const TOLERANCE_MS = 60_000;

/** Looked at before anything is deleted from storage: a wrong storage or a wrong clock deletes the wrong things. */
@Injectable()
export class DeletionGuard {
  constructor(
    private readonly database: Database,
    private readonly identity: RepositoryIdentity,
  ) {}

  /** Throws when the storage is another repository's, or the clock stands behind the newest run. */
  async assertSafe(): Promise<void> {
    await this.identity.verify();
    const { now, newest } = await this.database.read(async (sql) => ({
      now: await sql.now(),
      newest: (await sql.get<{ stamp: number | null }>('select max(last_stamp) as stamp from tasks'))?.stamp ?? 0,
    }));
    if (now + TOLERANCE_MS >= newest) return;
    throw new DomainError(
      'deletion-stopped',
      `The clock says ${new Date(now).toISOString()}, which is before the newest run (${new Date(newest).toISOString()}). ` +
        'Nothing is deleted until the clock is right.',
    );
  }
}
