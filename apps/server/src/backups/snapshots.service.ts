import { Injectable } from '@nestjs/common';
import type { HistoryAnswer, HistoryVersion, SnapshotsAnswer } from '#common';
import {
  encodeEntryRecord,
  encodeIndexHeader,
  encodeIndexRecord,
  InvalidError,
  parsePath,
  RecordStreamEncoder,
  ROOT_PATH,
} from '#engine';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { closeReasonOf } from './catalog-codes';
import { CatalogReadRepository, type RestorableVersion } from './catalog-read.repository';
import type { RunKey } from './run-row';
import { type SnapshotEntry, SnapshotWalk } from './snapshots-walk';
import { SnapshotsRepository } from './snapshots.repository';
import { TasksRepository } from './tasks.repository';

/** Bytes of a record stream, ready to be written; reading goes on as they are taken. */
export type RecordBytes = AsyncGenerator<Buffer, void, undefined>;

/** What a reading of snapshots needs of the database. */
@Injectable()
export class SnapshotRepositories {
  constructor(
    readonly tasks: TasksRepository,
    readonly snapshots: SnapshotsRepository,
    readonly catalog: CatalogReadRepository,
  ) {}
}

/**
 * Reads by right to the task: the snapshot of another client is `not-found`. A snapshot is a committed run; its number
 * is resolved once per request, so a run that goes on meanwhile is not seen. Paths are bytes; what is no path is
 * `invalid`, a path that the snapshot does not hold `not-found`. Both are told by the promise, not by the stream.
 */
@Injectable()
export class SnapshotsService {
  constructor(
    private readonly database: Database,
    private readonly repositories: SnapshotRepositories,
    private readonly reading: SnapshotWalk,
  ) {}

  async listSnapshots(clientNo: number): Promise<SnapshotsAnswer> {
    const snapshots = await this.database.read((sql) => this.repositories.snapshots.listOfClient(sql, clientNo));
    return { snapshots };
  }

  /** Record stream (`entries`) of all that is at and below a path, in walk order. The root of an empty snapshot is empty. */
  async entries(clientNo: number, runId: string, path: Uint8Array): Promise<RecordBytes> {
    const at = await this.resolve(clientNo, runId, path);
    return encodeEntries(this.reading.walk(at.snapshot, at.path));
  }

  /** Record stream (`entries`) of what lies directly in a directory; of the entry itself when it is no directory. */
  async listing(clientNo: number, runId: string, path: Uint8Array): Promise<RecordBytes> {
    const at = await this.resolve(clientNo, runId, path);
    return encodeEntries(this.reading.list(at.snapshot, at.path));
  }

  /** Record stream (`index`) of the task's head with detection data: what the agent's index file holds. */
  async taskIndex(clientNo: number, taskId: string): Promise<RecordBytes> {
    const task = await this.database.read((sql) => this.repositories.tasks.findById(sql, clientNo, taskId));
    if (task === undefined) throw new DomainError('not-found', `There is no task ${taskId}`);
    const header = encodeIndexHeader({ head: task.head, generation: task.generation, taskId: task.taskId });
    const { headRun, taskNo } = task;
    const pages = headRun === null ? noPages() : this.reading.walk({ taskNo, number: headRun }, ROOT_PATH);
    return encodeIndex(header, pages);
  }

  /** Versions of a path, over all tasks of the client, that some snapshot can restore; newest first. */
  async history(clientNo: number, path: Uint8Array): Promise<HistoryAnswer> {
    const wanted = pathOf(path);
    const versions = await this.database.read((sql) => this.versionsOf(sql, clientNo, wanted));
    return { versions: versions.sort((a, b) => b.firstSeenMs - a.firstSeenMs) };
  }

  private async versionsOf(sql: Sql, clientNo: number, path: Buffer): Promise<HistoryVersion[]> {
    const { tasks, catalog } = this.repositories;
    const versions: HistoryVersion[] = [];
    for (const { taskNo, headRun, name } of await tasks.listOfClient(sql, clientNo)) {
      if (headRun === null) continue;
      const found = await catalog.restorableVersions(sql, { taskNo, headRun }, path);
      // One by one: spread into a call, a path with very many versions would overflow the stack.
      for (const version of found.reverse()) versions.push(historyVersion(name, version));
    }
    return versions;
  }

  private async resolve(
    clientNo: number,
    runId: string,
    bytes: Uint8Array,
  ): Promise<{ snapshot: RunKey; path: Buffer }> {
    const path = pathOf(bytes);
    const { snapshots, catalog } = this.repositories;
    return this.database.read(async (sql) => {
      const snapshot = await snapshots.find(sql, clientNo, runId);
      if (snapshot === undefined) throw new DomainError('not-found', `There is no snapshot ${runId}`);
      const isRoot = path.equals(ROOT_PATH);
      if (!isRoot && (await catalog.findAt(sql, snapshot, path)) === undefined) {
        throw new DomainError('not-found', `Snapshot ${runId} holds no ${JSON.stringify(path.toString('utf8'))}`);
      }
      return { snapshot, path };
    });
  }
}

function historyVersion(task: string, version: RestorableVersion): HistoryVersion {
  return {
    task,
    snapshotId: version.snapshotId,
    firstSeenMs: version.firstSeenMs ?? 0,
    endedMs: version.endedMs,
    endReason: version.endedMs === null ? null : endReasonOf(version.endReason),
    entryBase64: version.entry.toString('base64'),
  };
}

function endReasonOf(code: number | null): HistoryVersion['endReason'] {
  return code === null ? 'replaced' : closeReasonOf(code);
}

function pathOf(bytes: Uint8Array): Buffer {
  try {
    return parsePath(bytes);
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    throw new DomainError('invalid', `No path: ${error.message}`, { cause: error });
  }
}

async function* encodeEntries(pages: AsyncIterable<SnapshotEntry[]>): RecordBytes {
  const encoder = new RecordStreamEncoder('entries');
  for await (const page of pages) {
    for (const { path, entry } of page) {
      const ready = encoder.add(encodeEntryRecord({ path, entry }));
      if (ready !== null) yield ready;
    }
  }
  yield encoder.finish();
}

async function* encodeIndex(header: Buffer, pages: AsyncIterable<SnapshotEntry[]>): RecordBytes {
  const encoder = new RecordStreamEncoder('index');
  const first = encoder.add(header);
  if (first !== null) yield first;
  for await (const page of pages) {
    for (const { path, entry, detect } of page) {
      const ready = encoder.add(encodeIndexRecord({ path, entry, detection: detect }));
      if (ready !== null) yield ready;
    }
  }
  yield encoder.finish();
}

/** A task without head has an index of nothing. */
async function* noPages(): AsyncGenerator<SnapshotEntry[], void, undefined> {
  // Nothing to read.
}
