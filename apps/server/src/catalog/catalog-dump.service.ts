import { randomUUID } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { catalogDumpKey } from '#engine';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DeletionGuard } from '../guards/deletion-guard';
import { DomainError } from '../http/domain-error';
import { FreeSpace } from '../storage/free-space';
import { RepositoryIdentity } from '../storage/repository-identity';
import { type Storage, STORAGE } from '../storage/storage';
import { CatalogDumps, type StoredDump } from './catalog-dumps';
import { runDump } from './run-dump';
import type { WrittenDump } from './write-dump';

/** A dump grows with the catalog from one night to the next. */
const GROWTH = 1.25;

export interface DumpJob {
  readonly isDryRun: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (report: object) => void;
}

export interface DumpReport {
  /** Of the dump in storage; null after a rehearsal. */
  readonly key: string | null;
  readonly dumpedRows: number;
  readonly dumpBytes: number;
  /** Dumps that storage holds now. */
  readonly dumps: number;
  readonly removedDumps: number;
  /** Why older dumps were left although there are more than CATALOG_DUMP_KEEP. */
  readonly keptBecause?: string;
}

/** What says where a dump may go, and which may leave. */
@Injectable()
export class DumpGuards {
  constructor(
    readonly identity: RepositoryIdentity,
    readonly deletion: DeletionGuard,
    readonly space: FreeSpace,
  ) {}
}

/** Puts a dump of the catalog into storage, looks whether it can be read back, and removes those that are too many. */
@Injectable()
export class CatalogDump {
  private readonly logger = new Logger(CatalogDump.name);

  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly settings: ServerSettings,
    private readonly dumps: CatalogDumps,
    private readonly guards: DumpGuards,
  ) {}

  async run({ isDryRun, signal, onProgress }: DumpJob): Promise<DumpReport> {
    // Another repository's storage may stand where ours was.
    await this.guards.identity.verify();
    const before = await this.dumps.list();
    const expectedBytes = await this.expectedBytes(before.at(-1));
    const place = this.settings.s3 === null ? [] : [this.storage.spoolDir];
    await this.guards.space.assertRoomFor(expectedBytes, { also: place });
    const rehearsed = { key: null, dumpedRows: 0, dumpBytes: expectedBytes, dumps: before.length, removedDumps: 0 };
    if (isDryRun) return rehearsed;
    // Rises whatever the clock does: the last by name is the newest.
    const madeMs = Math.max(await this.database.now(), (before.at(-1)?.madeMs ?? 0) + 1);
    const dumpId = randomUUID();
    const key = catalogDumpKey(madeMs, dumpId);
    const written = await this.store(key, { dumpId, madeMs }, { signal, onProgress });
    await this.verify(key);
    return { key, dumpedRows: written.rows, dumpBytes: written.length, ...(await this.prune()) };
  }

  private async store(
    key: string,
    { dumpId, madeMs }: { dumpId: string; madeMs: number },
    { signal, onProgress }: Pick<DumpJob, 'signal' | 'onProgress'>,
  ): Promise<WrittenDump> {
    const { databaseUrl, databasePath } = this.settings;
    const file = join(this.storage.spoolDir, `catalog-${dumpId}`);
    try {
      const written = await runDump(
        { databaseUrl, databasePath, file, dumpId, madeMs },
        {
          signal,
          onProgress: (dumpedRows) => {
            onProgress({ dumpedRows });
          },
        },
      );
      await this.storage.put(key, { file, length: written.length });
      return written;
    } finally {
      await rm(file, { force: true });
    }
  }

  /** One that cannot be read back is worth nothing, and must not push out those that can. */
  private async verify(key: string): Promise<void> {
    try {
      await this.dumps.verify(key);
    } catch (error) {
      await this.storage.delete(key);
      throw error;
    }
  }

  /** An older database than its storage must not push out the dumps of the newer one. */
  private async prune(): Promise<Pick<DumpReport, 'dumps' | 'removedDumps' | 'keptBecause'>> {
    const all = await this.dumps.list();
    const old = all.slice(0, -this.settings.catalogDumpKeep);
    if (old.length === 0) return { dumps: all.length, removedDumps: 0 };
    try {
      await this.guards.deletion.assertSafe();
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.logger.warn(`Old dumps of the catalog are kept: ${error.message}`);
      return { dumps: all.length, removedDumps: 0, keptBecause: error.message };
    }
    for (const { key } of old) await this.storage.delete(key);
    return { dumps: all.length - old.length, removedDumps: old.length };
  }

  /** Of the next dump: as the last one was, or at first as the database is, which does not shrink below half of that. */
  private async expectedBytes(last: StoredDump | undefined): Promise<number> {
    if (last !== undefined) return Math.ceil(last.length * GROWTH);
    const { databaseUrl, databasePath } = this.settings;
    return databaseUrl === null ? Math.ceil((await stat(databasePath)).size / 2) : 0;
  }
}
