import { Injectable } from '@nestjs/common';
import { encodeVersionRecord, RecordStreamEncoder } from '#engine';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { closeReasonOf } from './catalog-codes';
import type { RecordBytes } from './snapshots.service';
import { TasksRepository } from './tasks.repository';
import { type PathVersion, VersionsWalk } from './versions-walk';

/** What all snapshots of a task together hold, by right to the task: another client's is `not-found`. */
@Injectable()
export class VersionsService {
  constructor(
    private readonly database: Database,
    private readonly tasks: TasksRepository,
    private readonly reading: VersionsWalk,
  ) {}

  /** Record stream (`versions`) of every version that a committed run shows; empty before the first one. */
  async taskVersions(clientNo: number, taskId: string): Promise<RecordBytes> {
    const task = await this.database.read((sql) => this.tasks.findById(sql, clientNo, taskId));
    if (task === undefined) throw new DomainError('not-found', `There is no task ${taskId}`);
    const { taskNo, headRun } = task;
    return encodeVersions(headRun === null ? noPages() : this.reading.walk({ taskNo, headRun }));
  }
}

async function* encodeVersions(pages: AsyncIterable<PathVersion[]>): RecordBytes {
  const encoder = new RecordStreamEncoder('versions');
  for await (const page of pages) {
    for (const { endReason: code, ...version } of page) {
      const endReason = code === null ? null : closeReasonOf(code);
      const ready = encoder.add(encodeVersionRecord({ ...version, endReason }));
      if (ready !== null) yield ready;
    }
  }
  yield encoder.finish();
}

/** A task without head has no versions. */
async function* noPages(): AsyncGenerator<PathVersion[], void, undefined> {
  // Nothing to read.
}
