import { Injectable } from '@nestjs/common';
import type { DamageAnswer, DamagedFile, DamagedFilesAnswer, DamagedTask } from '#common';
import { mayByRole } from '../auth/role-matrix';
import { Database } from '../database/database';
import { ownerBoundOf, type PersonIdentity } from '../users/person-identity';
import { CatalogReadRepository } from './catalog-read.repository';
import { type CommittedRun, DamageRepository, type DamagedVersion, type SuspectTask } from './damage.repository';
import { TaskDefinitionsService } from './task-definitions.service';

/** Versions that one look reads: some 10 ms. */
const ROWS_PER_LOOK = 50_000;
const FILES_PER_PAGE = 1_000;
const SHOWN_PACKS = 100;

/** Names what cannot be restored while stored bytes are damaged: from the catalog as it stands, so what was healed is gone from it. */
@Injectable()
export class DamageService {
  constructor(
    private readonly database: Database,
    private readonly repository: DamageRepository,
    private readonly catalog: CatalogReadRepository,
    private readonly tasks: TaskDefinitionsService,
  ) {}

  /** Of all domains. */
  countChunks(): Promise<number> {
    return this.database.read((sql) => this.repository.countChunks(sql, null));
  }

  async describe(person: PersonIdentity): Promise<DamageAnswer> {
    const ownerNo = ownerBoundOf(person);
    const suspects = await this.database.read((sql) => this.repository.suspects(sql, { ownerNo, taskId: null }));
    const tasks: DamagedTask[] = [];
    for (const suspect of suspects) {
      const task = await this.describeTask(suspect);
      if (task.versions > 0) tasks.push(task);
    }
    return {
      damagedChunks: await this.database.read((sql) => this.repository.countChunks(sql, ownerNo)),
      tasks,
      packs: mayByRole(person.role, 'maintain')
        ? await this.database.read((sql) => this.repository.faultyPacks(sql, SHOWN_PACKS))
        : null,
    };
  }

  /** Files of a task by name, a page at a time. Throws `not-found`. */
  async files(
    person: PersonIdentity,
    taskId: string,
    after: number,
    limit = FILES_PER_PAGE,
  ): Promise<DamagedFilesAnswer> {
    await this.tasks.find(person, taskId);
    const bound = { ownerNo: ownerBoundOf(person), taskId };
    const [task] = await this.database.read((sql) => this.repository.suspects(sql, bound));
    if (task === undefined) return { files: [], next: null };
    const byPath = new Map<number, DamagedVersion[]>();
    let next: number | null = null;
    for await (const version of this.versions(task, after)) {
      const versions = byPath.get(version.pathNo);
      if (versions !== undefined) versions.push(version);
      else if (byPath.size < limit) byPath.set(version.pathNo, [version]);
      else {
        next = [...byPath.keys()].at(-1) ?? null;
        break;
      }
    }
    const { runs, paths } = await this.database.read(async (sql) => ({
      runs: await this.repository.committedRuns(sql, task),
      paths: await this.repository.pathsOf(sql, [...byPath.keys()]),
    }));
    return { files: [...byPath].map(([no, versions]) => fileOf(paths.get(no), versions, runs)), next };
  }

  private async describeTask(task: SuspectTask): Promise<DamagedTask> {
    const { taskId, client, clientId, owner } = task;
    let [files, versions, currentFiles, lastPath] = [0, 0, 0, 0];
    const intervals = new Map<string, DamagedVersion>();
    for await (const version of this.versions(task, 0)) {
      versions += 1;
      if (version.pathNo !== lastPath) files += 1;
      if (version.lastRun === null) currentFiles += 1;
      lastPath = version.pathNo;
      intervals.set(`${version.firstRun} ${String(version.lastRun)}`, version);
    }
    const runs = versions === 0 ? [] : await this.database.read((sql) => this.repository.committedRuns(sql, task));
    const shown = [...intervals.values()];
    const snapshots = runs.filter((run) => shown.some((version) => isShownAt(version, run))).reverse();
    return { taskId, task: task.task, clientId, client, owner, files, versions, currentFiles, snapshots };
  }

  private async *versions(task: SuspectTask, after: number): AsyncGenerator<DamagedVersion, void, undefined> {
    for (let place = after, isLast = false; !isLast;) {
      const slice = { after: place, rows: ROWS_PER_LOOK };
      const { rows, range } = await this.database.read(async (sql) => {
        const next = await this.catalog.nextRange(sql, task.taskNo, slice);
        return { range: next, rows: await this.repository.versionsIn(sql, task, next) };
      });
      yield* rows;
      place = range.upTo;
      isLast = range.isLast;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

function isShownAt({ firstRun, lastRun }: DamagedVersion, run: CommittedRun): boolean {
  return firstRun <= run.number && (lastRun === null || lastRun > run.number);
}

function fileOf(
  path: Buffer | undefined,
  versions: readonly DamagedVersion[],
  runs: readonly CommittedRun[],
): DamagedFile {
  const bytes = path ?? Buffer.alloc(0);
  const shown = runs.filter((run) => versions.some((version) => isShownAt(version, run)));
  return {
    pathBase64: bytes.toString('base64'),
    path: bytes.toString(),
    versions: versions.length,
    isCurrent: versions.some(({ lastRun }) => lastRun === null),
    oldestSnapshotId: shown[0]?.id ?? null,
    newestSnapshotId: shown.at(-1)?.id ?? null,
  };
}
