import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable, Logger } from '@nestjs/common';
import {
  type Change,
  encodeChange,
  encodeManifestHeader,
  joinPath,
  manifestKey,
  RecordStreamEncoder,
  ROOT_PATH,
  voidKey,
} from '#engine';
import { Database } from '../database/database';
import { slices, type Sql } from '../database/sql';
import { type Storage, STORAGE } from '../storage/storage';
import { closeReasonOf } from './catalog-codes';
import { CatalogPathsRepository, PathCache } from './catalog-paths.repository';
import { CatalogReadRepository, type ChangedVersion } from './catalog-read.repository';
import { NO_PARENT } from './path-walk';
import type { RunRow } from './run-row';
import { decodeRoots, RunsRepository } from './runs.repository';

/** Versions in one page: some milliseconds of reading, and at most 64 KiB each in memory. */
const PAGE_ROWS = 2_000;

interface ChangesPage {
  readonly versions: readonly ChangedVersion[];
  /** Paths of the directories that they lie in. */
  readonly parents: ReadonlyMap<number, Buffer>;
}

/** Puts into storage what a rebuild of the catalog needs to know about a run. */
@Injectable()
export class ManifestWriter {
  private readonly logger = new Logger(ManifestWriter.name);

  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly catalog: CatalogReadRepository,
    private readonly paths: CatalogPathsRepository,
    private readonly runs: RunsRepository,
  ) {}

  /**
   * Stores the manifest of a run that is committing. One that is there already is the same, and is put again: that it can
   * be seen does not say that it is durable (its put may have been cut off). Does nothing when another server has brought
   * the run to its end meanwhile: only as long as it is committing do its rows stay what they are.
   *
   * `touched`: see RunBatchesRepository.touchedPaths. A manifest that lacks a change loses data at a rebuild, so what is found
   * at these paths counts only when it is as much as the run counted while it wrote; else, and with null, the task is read.
   * Returns `touched`, and null when it was not all.
   */
  async writeManifest(run: RunRow, touched: readonly number[] | null): Promise<readonly number[] | null> {
    if (touched !== null && (await this.write(run, touched))) return touched;
    await this.write(run, null);
    return null;
  }

  /** Stores the record that the run is void, whatever manifest of it there is or still comes. Idempotent. */
  async writeVoid(run: RunRow): Promise<void> {
    const encoder = new RecordStreamEncoder('manifest');
    const head = encoder.add(headerOf(run));
    const bytes = Buffer.concat([head ?? Buffer.alloc(0), encoder.finish()]);
    await this.storage.put(voidKey(run.taskId, run.number, run.runId), { bytes });
  }

  /** False when not all that the run counted was found at the paths that it touched: then nothing was stored. */
  private async write(run: RunRow, touched: readonly number[] | null): Promise<boolean> {
    const key = manifestKey(run.taskId, run.number, run.runId);
    const file = join(this.storage.spoolDir, `manifest-${randomUUID()}`);
    try {
      const { length, changes } = await this.spool(run, touched, file);
      // Looked at when all was read: retention, or an undo, may have taken rows before that.
      const { state } = await this.database.read((sql) => this.runs.get(sql, run));
      if (state !== 'committing') return true;
      const counted = run.versionsWritten + run.versionsEnded;
      if (touched !== null && changes !== counted) {
        const found = `${changes} of ${counted} changes were found at the paths that its batches named`;
        this.logger.warn(`Run ${run.runId}: ${found}; its manifest comes from all of the task`);
        return false;
      }
      await this.storage.put(key, { file, length });
      return true;
    } finally {
      await rm(file, { force: true });
    }
  }

  /** To a file, page by page: a first run's manifest is as large as its catalog. */
  private async spool(
    run: RunRow,
    touched: readonly number[] | null,
    file: string,
  ): Promise<{ length: number; changes: number }> {
    const handle = await open(file, 'wx', 0o600);
    try {
      const encoder = new RecordStreamEncoder('manifest', 'compressed');
      let length = await append(handle, encoder.add(headerOf(run)));
      let changes = 0;
      const pages = touched === null ? this.allPages(run) : this.pagesAt(run, touched);
      for await (const { versions, parents } of pages) {
        for (const version of versions) {
          const ready = encoder.add(encodeChange(changeOf(version, run.number, parents)));
          if (ready !== null) length += await append(handle, ready);
        }
        changes += versions.length;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      return { length: length + (await append(handle, encoder.finish())), changes };
    } finally {
      await handle.close();
    }
  }

  /** The run's changes among all versions of its task. */
  private async *allPages(run: RunRow): AsyncGenerator<ChangesPage> {
    const cache = new PathCache();
    for (let after = 0, isLast = run.changeCount === 0; !isLast;) {
      const page = await this.database.read(async (sql) => {
        const range = await this.catalog.nextRange(sql, run.taskNo, { after, rows: PAGE_ROWS });
        const versions = await this.catalog.changesIn(sql, run, range);
        return { range, versions, parents: await this.parentsOf(sql, versions, cache) };
      });
      yield page;
      after = page.range.upTo;
      isLast = page.range.isLast;
    }
  }

  /** The run's changes at the paths that it touched, in the same order. */
  private async *pagesAt(run: RunRow, touched: readonly number[]): AsyncGenerator<ChangesPage> {
    const cache = new PathCache();
    for await (const pathNos of slices(touched)) {
      yield await this.database.read(async (sql) => {
        const versions = await this.catalog.changesAt(sql, run, pathNos);
        return { versions, parents: await this.parentsOf(sql, versions, cache) };
      });
    }
  }

  private parentsOf(sql: Sql, versions: readonly ChangedVersion[], cache: PathCache): Promise<Map<number, Buffer>> {
    const parents = new Set(versions.map(({ parentNo }) => parentNo));
    parents.delete(NO_PARENT);
    return this.paths.pathsOf(sql, [...parents], cache);
  }
}

function headerOf(run: RunRow): Buffer {
  return encodeManifestHeader({
    runId: run.runId,
    parentRunId: run.parentRunId,
    taskId: run.taskId,
    number: run.number,
    stampMs: run.stampMs ?? 0,
    outcome: run.outcome === 'partial' ? 'partial' : 'succeeded',
    platform: run.platform,
    roots: decodeRoots(run.roots).map((root) => Buffer.from(root, 'base64')),
  });
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

async function append(handle: FileHandle, bytes: Buffer | null): Promise<number> {
  if (bytes === null) return 0;
  await handle.appendFile(bytes);
  return bytes.length;
}
