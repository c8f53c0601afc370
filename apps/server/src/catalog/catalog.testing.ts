import { join } from 'node:path';
import { restoreCatalog } from '../cli/restore-catalog';
import type { RestoreWords } from '../cli/restore-words';
import { ServerSettings } from '../config/server-settings';
import { createPostgresDatabase, type TestDatabase } from '../database/testing';
import { guardOn } from '../guards/guards.testing';
import { FreeSpace } from '../storage/free-space';
import type { LocalDiskStorage } from '../storage/local-disk.storage';
import { RepositoryIdentity } from '../storage/repository-identity';
import { CatalogDump, DumpGuards } from './catalog-dump.service';
import { CatalogDumps } from './catalog-dumps';

export const RESTORE = { what: 'restore', from: null, isServerStopped: false, isJson: true } as const;
export const ADOPT = { ...RESTORE, what: 'adopt', isServerStopped: true } as const;

/** Where a catalog is brought back, and a storage at `folder` that its dumps stand in. */
export type Place = TestDatabase['location'];

/** A dump of the database goes into the storage at `folder`. */
export async function dumpCatalog(db: TestDatabase, storage: LocalDiskStorage, folder: string): Promise<void> {
  const settings = Object.assign(new ServerSettings(), db.location, { storagePath: folder, minFreeBytes: 0 });
  const guards = new DumpGuards(
    new RepositoryIdentity(db.database, storage),
    guardOn(db.database, storage),
    new FreeSpace(settings),
  );
  const job = { isDryRun: false, signal: new AbortController().signal, onProgress: () => undefined };
  await new CatalogDump(db.database, storage, settings, new CatalogDumps(storage), guards).run(job);
}

/** An empty database, dropped by `cleanups`, or the place of a file that there is not yet. */
export async function emptyPlace(
  dialect: string,
  folder: string,
  cleanups: (() => Promise<void> | void)[],
): Promise<Place> {
  if (dialect === 'sqlite') return { databaseUrl: null, databasePath: join(folder, 'restored.sqlite') };
  const { url, drop } = await createPostgresDatabase();
  cleanups.push(drop);
  return { databaseUrl: url, databasePath: '' };
}

/** What the command prints, from JSON. */
export async function restoreTold(place: Place, folder: string, words: RestoreWords): Promise<object> {
  const said: string[] = [];
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  await restoreCatalog(Object.assign(new ServerSettings(), place, { storagePath: folder }), words);
  return JSON.parse(said.join('')) as object;
}
