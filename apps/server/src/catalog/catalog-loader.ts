import { type CatalogHeader, type DumpedTable, type DumpedValue, openCatalogDump } from '#engine';
import { StartError } from '../config/start-error';
import { Database, type DatabaseOptions } from '../database/database';
import { TABLES } from '../database/entities';
import { migrationsUpTo } from '../database/migrations';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import type { Storage } from '../storage/storage';
import { CatalogLoadRepository } from './catalog-load.repository';
import type { RestoreClaim } from './restore-claim';
import type { TargetState } from './target-database';

/** Rows in one transaction: some fractions of a second. */
const ROWS_PER_WRITE = 5_000;

export interface LoadOptions {
  readonly storage: Storage;
  readonly key: string;
  readonly onProgress: (rows: number) => void;
}

/**
 * Puts the rows of a dump into a database that has none: at the level that the dump was made at, from where migrations bring them up
 * with the next opening. The mark `loading` stands from before the first row on, and becomes `adopting` with the last: whatever is
 * killed between is begun anew.
 */
export class CatalogLoader {
  private readonly rows = new CatalogLoadRepository();

  constructor(
    private readonly options: DatabaseOptions,
    private readonly claim: RestoreClaim,
  ) {}

  /** `header`: of the dump, which was read to its end before. */
  async load(target: TargetState, header: CatalogHeader, { storage, key, onProgress }: LoadOptions): Promise<void> {
    if (target.kind !== 'nothing' && 'level' in target && target.level !== header.level) await this.dropTables();
    const database = await Database.open({ ...this.options, level: header.level });
    this.claim.fence(database, (tx) => this.assertLevel(tx, header.level));
    try {
      await this.claim.mark(database, 'catalog.load', { phase: 'loading', from: key }, (tx) =>
        this.rows.empty(tx, header.tables),
      );
      await this.loadRows(database, { storage, key, onProgress });
      await this.claim.mark(database, 'catalog.load', { phase: 'adopting', from: key }, async (tx) => {
        for (const table of header.tables) await this.rows.number(tx, table);
      });
    } finally {
      await database.close();
    }
  }

  private async loadRows(database: Database, { storage, key, onProgress }: LoadOptions): Promise<void> {
    const { header, records } = await openCatalogDump(await storage.stream(key), key);
    let waiting: { table: number; rows: (readonly DumpedValue[])[] } = { table: 0, rows: [] };
    let loaded = 0;
    const write = async (): Promise<void> => {
      const { table, rows } = waiting;
      const into = header.tables[table];
      if (into === undefined || rows.length === 0) return;
      await database.write('catalog.load', (tx) => this.rows.insert(tx, into, rows));
      loaded += rows.length;
      onProgress(loaded);
    };
    for await (const { table, rows } of records) {
      if (table !== waiting.table || waiting.rows.length >= ROWS_PER_WRITE) {
        await write();
        waiting = { table, rows: [] };
      }
      waiting.rows.push(...rows);
    }
    await write();
  }

  private async dropTables(): Promise<void> {
    const database = await Database.open(this.options);
    this.claim.fence(database);
    try {
      const names = TABLES.map(({ name }) => name);
      await database.write('catalog.load', (tx) => this.rows.dropAll(tx, names));
      this.claim.droppedMark();
    } finally {
      await database.close();
    }
  }

  /** A server that began to start before the mark stood may have migrated since: rows would be in tables of another level. */
  private async assertLevel(tx: Sql, level: string): Promise<void> {
    const found = await this.rows.level(tx);
    if (found === level) return;
    throw new StartError(
      `A server has migrated the database meanwhile (${found ?? 'no level'}): stop it, and run the same command again.`,
    );
  }
}

/** Throws unless this version can take the dump in. */
export function assertLoadable(header: CatalogHeader, key: string, repositoryId: string): void {
  if (header.repositoryId !== repositoryId) {
    throw new DomainError(
      'conflict',
      `${key} is a dump of repository ${header.repositoryId}, the storage holds ${repositoryId}. Nothing was changed.`,
    );
  }
  if (migrationsUpTo(header.level) === null) {
    throw new DomainError(
      'conflict',
      `${key} was made by a newer version of Holdfast (${header.level}): upgrade this server. Nothing was changed.`,
    );
  }
  const known = new Set(TABLES.map(({ name }) => name));
  const unknown = header.tables.find(({ name }: DumpedTable) => !known.has(name));
  if (unknown === undefined) return;
  throw new DomainError('corrupt', `${key} has a table ${unknown.name}, which there is not. Nothing was changed.`);
}
