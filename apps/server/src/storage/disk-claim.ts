import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { WritePoint } from '#common';
import { ServerSettings } from '../config/server-settings';
import { StartError, unusableFolder } from '../config/start-error';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { DiskClaimRepository } from './disk-claim.repository';
import { type DiskClaimFile, isSurelyDead, readClaimFile, writeClaimFile } from './disk-claim-file';

const CLAIM_MS = 30_000;
/** A claim that nobody renewed for so long is a dead server's, whatever the database's clock says of it. */
const STANDS_STILL_MS = 45_000;
const RENEW_MS = 8_000;
const LOOK_MS = 2_000;
/** Writes that rely on what was stored on the disk, deleted from it or found there just before: they are the claim's holder's to make. */
const WRITES_OF_DISK: readonly WritePoint[] = [
  ...(['packs.live', 'packs.deleted', 'reclaim.move', 'runs.commit', 'retention.remove', 'config.export'] as const),
  ...(['chunks.damaged', 'scrub.progress', 'runs.undo-slice', 'runs.undone'] as const),
];

interface NewClaim {
  readonly folder: string;
  /** The token that stands in the database. */
  readonly before: string;
  readonly isDoubtful: boolean;
  readonly now: number;
}

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
  /** A restore of the catalog compares every pack with the storage: an older database knows an older token. */
  private readonly takesAnyDisk: boolean;
  /** The last one that was surely committed, and all that were tried since: of those it is not known. */
  private tokens: readonly string[] = [];
  private doubtful = false;
  private timer: NodeJS.Timeout | undefined;
  /** At once, without a drain: nothing can be taken in any more, and a kill loses nothing. */
  private readonly end = (): void => void process.kill(process.pid, 'SIGKILL');
  private readonly pause = (ms: number): Promise<void> => sleep(ms);
  private readonly uptime = (): number => performance.now();

  constructor(
    private readonly database: Database,
    private readonly claims: DiskClaimRepository,
    { s3, databaseUrl, storagePath, isBesideServer, isRestoring }: ServerSettings,
  ) {
    this.takesAnyDisk = isRestoring;
    this.folder = s3 === null && databaseUrl !== null ? storagePath : null;
    this.isBesideServer = isBesideServer;
  }

  /**
   * True when the disk is not as the server before left it: another one, an older copy, or one whose power failed. Whether every pack
   * is there is to be looked at before anything relies on it, by the next server too if this one dies before {@link DiskClaim.trust}.
   */
  get isDoubtful(): boolean {
    return this.doubtful;
  }

  /** What is missing is marked. */
  async trust(): Promise<void> {
    this.doubtful = false;
    if (this.folder !== null) await this.renew(this.folder);
  }

  /**
   * Before anything on the disk is touched. Throws StartError when another server holds the database, or the database belongs to
   * another disk at present. A claim that a dead server of another host left is waited out.
   */
  async claim(): Promise<void> {
    const { folder } = this;
    if (folder === null) return;
    const first = await this.attempt(folder, false);
    if (first !== null)
      this.logger.warn('another server holds this database, or did a moment ago: waiting for 45 s at most');
    const since = this.uptime();
    for (let seen = first; seen !== null;) {
      if (seen !== first) throw heldByAnother();
      await this.pause(LOOK_MS);
      seen = await this.attempt(folder, this.uptime() - since > STANDS_STILL_MS);
    }
    // Commands that restore the catalog may meet any disk.
    if (!this.takesAnyDisk) this.database.require('disk-claim', WRITES_OF_DISK, (tx) => this.assertHeld(tx, folder));
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
  private async attempt(folder: string, standsStill: boolean): Promise<string | null> {
    const result = await this.database.write('leases.take', async (tx) => {
      const row = await this.claims.lock(tx);
      const now = await tx.now();
      const file = readClaimFile(folder);
      const holder = row?.holder ?? '';
      const isThisDisk = isHeldBy(file, holder);
      if (row !== undefined && row.until_at > now && !standsStill) {
        if (this.isBesideServer) return { heldBy: isThisDisk ? null : holder };
        if (!isThisDisk || !isSurelyDead(file)) return { heldBy: holder };
      }
      const isDoubtful = isThisDisk ? file.isDoubtful : holder !== '';
      if (this.isBesideServer) {
        if (isDoubtful && !this.takesAnyDisk) throw otherDisk();
        return { heldBy: null };
      }
      const token = await this.take(tx, { folder, before: holder, isDoubtful, now }, isThisDisk);
      return { heldBy: null, token, isDoubtful };
    });
    if (result.heldBy !== null) return result.heldBy;
    this.doubtful = result.isDoubtful ?? false;
    if (result.token !== undefined) this.tokens = [result.token];
    return null;
  }

  /** Once more for as long; ends the process when the database's token is not that of this disk. */
  private async renew(folder: string): Promise<void> {
    try {
      const token = await this.database.write('leases.take', async (tx) => {
        const row = await this.claims.lock(tx);
        if (row === undefined || !this.tokens.includes(row.holder)) return null;
        const { isDoubtful } = this;
        return this.take(tx, { folder, before: row.holder, isDoubtful, now: await tx.now() }, true);
      });
      if (token !== null) {
        this.tokens = [token];
        return;
      }
      this.lose();
    } catch (error) {
      // The next time is soon. Which of the tokens that were tried stands in the database will be seen then.
      this.logger.warn(`the claim of the disk was not renewed: ${wordsOf(error)}`);
    }
  }

  /**
   * A server that stood still while another one began goes on where it was: what it stores is on its own disk only. Nothing of that
   * is acknowledged, as the claim is looked at in the transaction that would make it count; whoever takes the claim waits for that one.
   */
  private async assertHeld(tx: Sql, folder: string): Promise<void> {
    const holder = await this.claims.holder(tx);
    if (this.isBesideServer ? holder === '' || isHeldBy(readClaimFile(folder), holder) : this.tokens.includes(holder))
      return;
    if (!this.isBesideServer) this.lose();
    throw new DomainError('unavailable', heldByAnother().message);
  }

  private lose(): void {
    clearInterval(this.timer);
    this.logger.error(`${heldByAnother().message} This server stops.`);
    this.end();
  }

  /**
   * File and row within the row's lock: no other server comes between them. On a disk that takes no file any more (full, read-only)
   * the row keeps the token that stands there: whoever cannot store anything may still restore.
   */
  private async take(tx: Sql, { folder, before, isDoubtful, now }: NewClaim, mayKeepToken: boolean): Promise<string> {
    let token: string = randomUUID();
    try {
      writeClaimFile(folder, { token, before, isDoubtful });
      this.tokens = [...this.tokens, token];
    } catch (error) {
      if (!mayKeepToken) throw unusableFolder('BACKUP_STORAGE_PATH', folder, error);
      this.logger.warn(`the claim could not be written to ${folder}: ${wordsOf(error)}`);
      token = before;
    }
    await this.claims.set(tx, { holder: token, until_at: now + CLAIM_MS });
    return token;
  }
}

/** Whether the disk of this file is the one whose server made the claim that stands in the database. */
function isHeldBy(file: DiskClaimFile | null, holder: string): file is DiskClaimFile {
  return file !== null && (file.token === holder || file.before === holder);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function otherDisk(): StartError {
  return new StartError(
    'This disk (BACKUP_STORAGE_PATH) is not as the server of this database left it: another one, or an older copy. Start the ' +
      'server on it first: it looks what is missing. Nothing was changed.',
  );
}

function heldByAnother(): StartError {
  return new StartError(
    'Another server works on this database, with storage on a local disk (BACKUP_STORAGE_PATH without S3_BUCKET), which is for one ' +
      'server. Stop the other one, or give all of them the same bucket (docs/operations/scaling.md). Nothing was changed.',
  );
}
