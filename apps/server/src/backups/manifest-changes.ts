import { Injectable } from '@nestjs/common';
import { type Change, joinPath, ROOT_PATH } from '#engine';
import { Database } from '../database/database';
import { slices, type Sql } from '../database/sql';
import { closeReasonOf } from './catalog-codes';
import { CatalogPathsRepository, PathCache } from './catalog-paths.repository';
import { CatalogReadRepository, type ChangedVersion } from './catalog-read.repository';
import { NO_PARENT } from './path-walk';
import type { RunRow } from './run-row';

/** Versions in one page: some milliseconds of reading, and at most 64 KiB each in memory. */
const PAGE_ROWS = 2_000;

/** The changes of a run as the catalog has them, in pages; a directory's before those of what lies in it. */
@Injectable()
export class ManifestChanges {
  constructor(
    private readonly database: Database,
    private readonly catalog: CatalogReadRepository,
    private readonly paths: CatalogPathsRepository,
  ) {}

  /** Among all versions of its task. */
  async *all(run: RunRow): AsyncGenerator<Change[]> {
    const cache = new PathCache();
    for (let after = 0, isLast = run.changeCount === 0; !isLast;) {
      const page = await this.database.read(async (sql) => {
        const range = await this.catalog.nextRange(sql, run.taskNo, { after, rows: PAGE_ROWS });
        const versions = await this.catalog.changesIn(sql, run, range);
        return { range, changes: await this.changesOf(sql, { run, versions, cache }) };
      });
      yield page.changes;
      after = page.range.upTo;
      isLast = page.range.isLast;
    }
  }

  /** At the paths that it touched. */
  async *at(run: RunRow, touched: readonly number[]): AsyncGenerator<Change[]> {
    const cache = new PathCache();
    for await (const pathNos of slices(touched)) {
      yield await this.database.read(async (sql) => {
        const versions = await this.catalog.changesAt(sql, run, pathNos);
        return this.changesOf(sql, { run, versions, cache });
      });
    }
  }

  private async changesOf(
    sql: Sql,
    { run, versions, cache }: { run: RunRow; versions: readonly ChangedVersion[]; cache: PathCache },
  ): Promise<Change[]> {
    const nos = new Set(versions.map(({ parentNo }) => parentNo));
    nos.delete(NO_PARENT);
    const parents = await this.paths.pathsOf(sql, [...nos], cache);
    return versions.map((version) => changeOf(version, run.number, parents));
  }
}

function changeOf(version: ChangedVersion, runNumber: number, parents: ReadonlyMap<number, Buffer>): Change {
  const path = pathOf(version, parents);
  if (version.firstRun === runNumber) {
    return { type: 'put', path, entry: version.entry, detection: version.detect };
  }
  return { type: 'close', path, reason: closeReasonOf(version.endReason ?? 0) };
}

function pathOf({ pathNo, parentNo, name }: ChangedVersion, parents: ReadonlyMap<number, Buffer>): Buffer {
  if (parentNo === NO_PARENT) return ROOT_PATH;
  const parent = parents.get(parentNo);
  if (parent === undefined) throw new Error(`the directory of path ${pathNo} was not looked up`);
  return joinPath(parent, name);
}
