import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DiskClaimRepository } from './disk-claim.repository';
import { isSurelyDead, readClaimFile, writeClaimFile } from './disk-claim-file';

const CLAIM_MS = 30_000;
const RENEW_MS = 8_000;
const LOOK_MS = 2_000;

/**
 * PostgreSQL can be reached by servers on several hosts, a local disk cannot: what one of them stores the others would miss, and each
 * start empties the spool of who shares the disk. So of servers with a local disk one at a time works on a database. It holds a lease
 * whose token stands on its disk too, another with each renewal: who does not find the database's token on his disk has another disk,
 * a copy among them. With S3, or SQLite, nothing is claimed.
 */
@Injectable()
export class DiskClaim implements OnModuleDestroy {
  private readonly logger = new Logger(DiskClaim.name);
  private readonly folder: string | null;
  private readonly isBesideServer: boolean;
  /** The last two that were asked for: whether the newest was committed is not always told. */
  private tokens: readonly string[] = [];
  private timer: NodeJS.Timeout | undefined;
  /** What happens when the claim was lost to a server with another disk: going on would lose what is stored from now on. */
  private readonly end = (): void => void process.kill(process.pid, 'SIGTERM');
  private readonly pause = (ms: number): Promise<void> => sleep(ms);

  constructor(
    private readonly database: Database,
    private readonly claims: DiskClaimRepository,
    { s3, databaseUrl, storagePath, isBesideServer }: ServerSettings,
  ) {
    this.folder = s3 === null && databaseUrl !== null ? storagePath : null;
    this.isBesideServer = isBesideServer;
  }

  /**
   * Before anything on the disk is touched. Throws StartError when another server holds the database, or the database belongs to
   * another disk at present. A claim that a dead server of another host left is waited out.
   */
  async claim(): Promise<void> {
    const { folder } = this;
    if (folder === null) return;
    const first = await this.attempt(folder);
    if (first !== null)
      this.logger.warn('another server holds this database, or did a moment ago: waiting for 30 s at most');
    for (let seen = first; seen !== null; seen = await this.attempt(folder)) {
      if (seen !== first) throw heldByAnother();
      await this.pause(LOOK_MS);
    }
    if (this.isBesideServer) return;
    this.timer = setInterval(() => void this.renew(folder), RENEW_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    if (this.tokens.length === 0) return;
    // A claim that is not given back ends by itself.
    await this.database
      .write('leases.take', async (tx) => {
        const row = await this.claims.lock(tx);
        if (row !== undefined && this.tokens.includes(row.holder)) await this.claims.set(tx, { ...row, until_at: 0 });
      })
      .catch(() => undefined);
  }

  /** Null when it is claimed; else the token of who holds it. A command only looks: it works beside the server of this disk. */
  private attempt(folder: string): Promise<string | null> {
    return this.database.write('leases.take', async (tx) => {
      const row = await this.claims.lock(tx);
      const now = await tx.now();
      const file = readClaimFile(folder);
      if (row !== undefined && row.until_at > now) {
        const isThisDisk = file?.token === row.holder;
        if (this.isBesideServer) return isThisDisk ? null : row.holder;
        if (!isThisDisk || !isSurelyDead(file)) return row.holder;
      }
      if (!this.isBesideServer) await this.take(tx, folder, now);
      return null;
    });
  }

  /** Once more for as long; ends the process when the database's token is not that of this disk. */
  private async renew(folder: string): Promise<void> {
    try {
      const isOurs = await this.database.write('leases.take', async (tx) => {
        const row = await this.claims.lock(tx);
        if (row === undefined || !this.tokens.includes(row.holder)) return false;
        await this.take(tx, folder, await tx.now());
        return true;
      });
      if (isOurs) return;
      clearInterval(this.timer);
      this.logger.error(`${heldByAnother().message} This server stops.`);
      this.end();
    } catch (error) {
      // The next time is soon, and as long as the database is away nobody else can claim it.
      this.logger.warn(
        `the claim of the disk was not renewed: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  /** File and row within the row's lock: no other server comes between them. */
  private async take(tx: Sql, folder: string, now: number): Promise<void> {
    const token = randomUUID();
    this.tokens = [...this.tokens.slice(-1), token];
    writeClaimFile(folder, token);
    await this.claims.set(tx, { holder: token, until_at: now + CLAIM_MS });
  }
}

function heldByAnother(): StartError {
  return new StartError(
    'Another server works on this database, with storage on a local disk (BACKUP_STORAGE_PATH without S3_BUCKET), which is for one ' +
      'server. Stop the other one, or give all of them the same bucket (docs/operations/scaling.md). Nothing was changed.',
  );
}
