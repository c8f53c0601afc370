import { Logger } from '@nestjs/common';
import { WRITE_POINTS, type WritePoint } from '#common';
import { DomainError } from '../http/domain-error';
import type { Database } from './database';
import { ServerStarts } from './server-starts';
import type { Sql } from './sql';

/** Small and frequent, or not of the catalog; and what a restore itself writes. */
const LEFT_OUT: ReadonlySet<WritePoint> = new Set([
  ...(['settings.set', 'leases.take', 'logs.change', 'clients.seen', 'sign-in.attempt', 'runs.lease'] as const),
  ...(['catalog.load', 'catalog.adopt'] as const),
]);
/** Those that come with every window of every backup: each stands by itself, also when it is committed right after the mark of a restore. */
const FREQUENT: ReadonlySet<WritePoint> = new Set([
  ...(['chunks.missing', 'packs.uploading', 'packs.live', 'packs.dead', 'runs.batch'] as const),
]);
const WATCHED = WRITE_POINTS.filter((point) => !LEFT_OUT.has(point));

/**
 * A catalog may be brought back under a server that runs on: its database was lost, and it connects to the new one by itself. What such
 * a server has begun and remembers is of the life before: it would undo the very runs that are being taken over. So whatever it writes
 * from then on is refused, and it ends.
 */
export class CatalogLife {
  private readonly logger = new Logger(CatalogLife.name);
  private readonly starts = new ServerStarts();
  /** At once, without a drain: nothing can be taken in any more, and a kill loses nothing. */
  private readonly end = (): void => void process.kill(process.pid, 'SIGKILL');

  constructor(
    private readonly database: Database,
    /** A command ends by itself when a write of it is refused. */
    private readonly isBesideServer: boolean,
  ) {}

  /** `life`: the one in which this process started. */
  watch(life: string): void {
    const [frequent, others] = [true, false].map((isFrequent) =>
      WATCHED.filter((point) => FREQUENT.has(point) === isFrequent),
    );
    this.database.require('catalog-life', frequent ?? [], (tx) => this.assertSame(tx, life));
    // With a lock: the mark of a restore waits for these.
    this.database.require('catalog-life', others ?? [], (tx) => this.assertSame(tx, life, tx.forShare()));
  }

  private async assertSame(tx: Sql, life: string, locking = ''): Promise<void> {
    if ((await this.starts.life(tx, locking)) === life) return;
    const message =
      'The catalog was brought back, or its database is another one, since this server started: nothing is written any more.';
    if (!this.isBesideServer) {
      this.logger.error(`${message} This server stops; start it again when the catalog is whole.`);
      this.end();
    }
    throw new DomainError('unavailable', message);
  }
}
