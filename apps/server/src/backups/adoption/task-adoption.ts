import { Inject, Injectable } from '@nestjs/common';
import { CorruptError, type ManifestHeader, openManifest, UnsupportedError } from '#engine';
import { Database } from '../../database/database';
import { type Storage, STORAGE } from '../../storage/storage';
import { CatalogPathsRepository } from '../catalog-paths.repository';
import { RecordedRemoval, RemovalAdoption } from '../../retention/removal-adoption';
import { type AdoptedTask, AdoptionRunsRepository } from './adoption-runs.repository';
import { ContentAdoption } from './content-adoption';
import { RunAdoption } from './run-adoption';
import { runLine } from './run-line';

const RECORD_KEY = /\/(run|void|removed)-([0-9]+)-([0-9a-f-]{36})$/;

export interface TaskFindings {
  adoptedRuns: number;
  appliedRemovals: number;
  /** Tasks of which something was left, with the reason. */
  heldTasks: { readonly task: string; readonly reason: string }[];
}

interface StoredRun extends ManifestHeader {
  readonly key: string;
}

/** What storage says of one task. */
interface TaskRecords {
  readonly manifests: Map<string, { key: string; number: number }>;
  /** Number by id of the run. */
  readonly voids: Map<string, number>;
  readonly removals: { key: string; number: number; id: string }[];
}

/** What task adoption works with. */
@Injectable()
export class TaskAdoptionParts {
  constructor(
    readonly runs: RunAdoption,
    readonly contents: ContentAdoption,
    readonly removals: RemovalAdoption,
    readonly paths: CatalogPathsRepository,
  ) {}
}

/** Takes over what storage knows of tasks: runs that were committed and versions that were removed after this catalog was saved. */
@Injectable()
export class TaskAdoption {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly parts: TaskAdoptionParts,
    private readonly rows: AdoptionRunsRepository,
  ) {}

  async run(onProgress: (findings: TaskFindings) => void): Promise<TaskFindings> {
    const findings: TaskFindings = { adoptedRuns: 0, appliedRemovals: 0, heldTasks: [] };
    const { tasks, givenUp } = await this.database.read(async (sql) => ({
      tasks: await this.rows.tasks(sql),
      givenUp: await this.rows.givenUp(sql),
    }));
    await this.parts.contents.healLists();
    const known = new Set(tasks.map(({ taskId }) => taskId));
    for (const task of tasks) {
      const reason = await this.adoptTask(task, givenUp, findings);
      await this.database.write('catalog.adopt', (tx) => this.rows.hold(tx, task.taskNo, reason));
      if (reason !== null) findings.heldTasks.push({ task: task.taskId, reason });
      onProgress(findings);
    }
    for (const taskId of await this.taskIds()) {
      if (known.has(taskId)) continue;
      const { manifests, removals } = await this.recordsOf(taskId);
      if ([...manifests.keys(), ...removals.map(({ id }) => id)].every((id) => givenUp.has(id))) continue;
      findings.heldTasks.push({ task: taskId, reason: 'neither database nor config knows it' });
    }
    return findings;
  }

  /** Returns what was left, in words. `givenUp`: ids of what an admin said he lives without, which is as if it were not there. */
  private async adoptTask(
    task: AdoptedTask,
    givenUp: ReadonlySet<string>,
    findings: TaskFindings,
  ): Promise<string | null> {
    const records = await this.recordsOf(task.taskId);
    const committed = await this.database.read((sql) => this.rows.committed(sql, task.taskNo));
    const finished = [...records.manifests].filter(([id]) => !records.voids.has(id));
    await this.parts.runs.endActive(task, new Set(finished.map(([id]) => id)));
    const counting = finished.filter(([id]) => !givenUp.has(id));
    const { stored, unreadable } = await this.headersOf(
      task,
      counting.filter(([id]) => !committed.has(id)),
    );
    const head = await this.database.read((sql) => this.rows.head(sql, task.taskNo));
    const line = runLine(head, stored);
    const recorded = records.removals.filter(({ id }) => !givenUp.has(id));
    const { removals: readable, lost } = await this.removalsOf(task, recorded);
    // Runs go by numbers in removal records, and two lines of runs have the same: another line's must take nothing of this one.
    const isOneLine = unreadable === null && line.left.length === 0;
    const removals = isOneLine ? readable : [];
    let reason = unreadable ?? lost ?? line.left[0]?.reason ?? null;
    let newestMs = head?.stampMs ?? 0;
    for (const run of line.adopt) {
      findings.appliedRemovals += await this.applyRemovals(task, removals, run.stampMs);
      const failure = await this.parts.runs.adopt(task, run, run.key);
      reason = failure ?? reason;
      if (failure !== null) break;
      findings.adoptedRuns += 1;
      newestMs = Math.max(newestMs, run.stampMs);
    }
    const isWhole = reason === null;
    // What a removal that came after a missing run took cannot be told from what that run brought.
    findings.appliedRemovals += await this.applyRemovals(task, removals, isWhole ? Infinity : newestMs + 1);
    const now = await this.database.read((sql) => this.rows.committed(sql, task.taskNo));
    const left = counting.map(([id]) => id).filter((id) => !now.has(id));
    await this.settle(task, { records, stored, newestMs, left });
    return reason;
  }

  private async settle(
    { taskNo }: AdoptedTask,
    {
      records,
      stored,
      newestMs,
      left,
    }: { records: TaskRecords; stored: readonly StoredRun[]; newestMs: number; left: readonly string[] },
  ): Promise<void> {
    let number = 0;
    for (const record of records.manifests.values()) number = Math.max(number, record.number);
    for (const voided of records.voids.values()) number = Math.max(number, voided);
    const stampMs = stored.reduce((newest, run) => Math.max(newest, run.stampMs), newestMs);
    await this.database.write('catalog.adopt', async (tx) => {
      for (const [runId, voided] of records.voids)
        await this.rows.insertEnded(tx, taskNo, { runId, number: voided, stampMs });
      await this.rows.forget(tx, taskNo, left);
      await this.rows.raise(tx, taskNo, { number, stampMs });
    });
  }

  /** Those that were decided before `beforeMs`, in the order of their numbers. */
  private async applyRemovals(task: AdoptedTask, open: RecordedRemoval[], beforeMs: number): Promise<number> {
    let applied = 0;
    for (let next = open[0]; next !== undefined && next.decidedMs < beforeMs; next = open[0]) {
      const isNew = await this.parts.removals.apply(task.taskNo, next, (sql, paths) =>
        this.parts.paths.numbersOf(sql, task.taskNo, paths),
      );
      if (isNew) applied += 1;
      open.shift();
    }
    return applied;
  }

  /** `lost`: why one could not be read. */
  private async removalsOf(
    { taskId }: AdoptedTask,
    recorded: TaskRecords['removals'],
  ): Promise<{ removals: RecordedRemoval[]; lost: string | null }> {
    const removals: RecordedRemoval[] = [];
    let lost: string | null = null;
    for (const { key } of await this.parts.removals.unknownAmong(recorded)) {
      try {
        removals.push(await this.parts.removals.read(key, taskId));
      } catch (error) {
        lost = damageOf(error);
      }
    }
    return { removals: removals.sort((a, b) => a.number - b.number), lost };
  }

  private async headersOf(
    { taskId }: AdoptedTask,
    unknown: readonly [string, { key: string; number: number }][],
  ): Promise<{ stored: StoredRun[]; unreadable: string | null }> {
    const stored: StoredRun[] = [];
    let unreadable: string | null = null;
    for (const [runId, { key, number }] of unknown) {
      try {
        const source = await this.storage.stream(key);
        const { header, records } = await openManifest(source, key);
        await records.return();
        source.destroy();
        if (header.taskId !== taskId || header.runId !== runId || header.number !== number)
          throw new CorruptError(key, 'a manifest under the name of another run');
        // Roots are views.
        stored.push({ ...header, roots: header.roots.map((root) => Buffer.from(root)), key });
      } catch (error) {
        unreadable = damageOf(error);
      }
    }
    return { stored, unreadable };
  }

  private async recordsOf(taskId: string): Promise<TaskRecords> {
    const records: TaskRecords = { manifests: new Map(), voids: new Map(), removals: [] };
    for await (const { key } of this.storage.list(`tasks/${taskId}/`)) {
      const [, kind, digits = '', id = ''] = RECORD_KEY.exec(key) ?? [];
      const number = Number(digits);
      if (kind === 'run') records.manifests.set(id, { key, number });
      else if (kind === 'void') records.voids.set(id, number);
      else if (kind === 'removed') records.removals.push({ key, number, id });
    }
    return records;
  }

  private async taskIds(): Promise<Set<string>> {
    const ids = new Set<string>();
    for await (const { key } of this.storage.list('tasks/')) ids.add(key.split('/')[1] ?? '');
    return ids;
  }
}

/** In words; throws on what is no damage of the object itself. */
function damageOf(error: unknown): string {
  if (error instanceof CorruptError || error instanceof UnsupportedError) return error.message;
  throw error;
}
