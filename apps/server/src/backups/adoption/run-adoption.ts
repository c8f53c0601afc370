import { Inject, Injectable } from '@nestjs/common';
import { type Change, CorruptError, type ManifestHeader, openManifest } from '#engine';
import { Database } from '../../database/database';
import { DomainError } from '../../http/domain-error';
import { type Storage, STORAGE } from '../../storage/storage';
import { CatalogPathsRepository } from '../catalog-paths.repository';
import { BatchWriter, contentsOf } from '../runs-batch';
import { type DecodedChange, decodedChange } from '../runs-batch-plan';
import { RunTouches } from '../run-touches';
import { RunUndo } from '../runs-undo';
import { type AdoptedTask, AdoptionRunsRepository } from './adoption-runs.repository';
import { ContentAdoption } from './content-adoption';

const CHANGES_PER_WRITE = 500;

/** How runs are written and undone. */
@Injectable()
export class RunAdoptionParts {
  constructor(
    readonly batches: BatchWriter,
    readonly undo: RunUndo,
    readonly contents: ContentAdoption,
    readonly paths: CatalogPathsRepository,
  ) {}
}

/** Takes runs over whose manifests storage has and whose rows the catalog lost. */
@Injectable()
export class RunAdoption {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly parts: RunAdoptionParts,
    private readonly runs: AdoptionRunsRepository,
  ) {}

  /** Undoes the task's runs that were on. `finished`: ids of those that have a manifest in storage which counts. */
  async endActive({ taskNo }: AdoptedTask, finished: ReadonlySet<string>): Promise<void> {
    await this.database.write('catalog.adopt', (tx) => this.runs.startUndoing(tx, taskNo, finished));
    await this.undoAll(taskNo);
  }

  /**
   * The run becomes a snapshot, or nothing of it is left: returns why then. The task's head must be its parent, and no run on.
   * Cut off anywhere, what it wrote is undone by the next {@link endActive}.
   */
  async adopt(task: AdoptedTask, header: ManifestHeader, key: string): Promise<string | null> {
    const { taskNo } = task;
    const isBegun = await this.database.write('catalog.adopt', (tx) => this.runs.begin(tx, taskNo, header));
    if (!isBegun) return `number ${header.number} is another run's here`;
    try {
      const changes = await this.write(task, header, key);
      await this.database.write('catalog.adopt', (tx) => this.runs.finish(tx, taskNo, { run: header, changes }));
      return null;
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === null) throw error;
      await this.undoAll(taskNo);
      return `run ${header.number}: ${reason}`;
    }
  }

  private async write(task: AdoptedTask, { number }: ManifestHeader, key: string): Promise<number> {
    const { records } = await openManifest(await this.storage.stream(key), key);
    let changes = 0;
    let waiting: DecodedChange[] = [];
    const write = async (): Promise<void> => {
      if (waiting.length > 0) await this.writeSome(task, number, waiting);
      changes += waiting.length;
      waiting = [];
    };
    for await (const change of records) {
      if (waiting.push(decodedChange(owned(change), key)) >= CHANGES_PER_WRITE) await write();
    }
    await write();
    return changes;
  }

  private async writeSome(
    { taskNo, domainNo }: AdoptedTask,
    runNumber: number,
    changes: readonly DecodedChange[],
  ): Promise<void> {
    const { batches, contents, paths } = this.parts;
    await contents.ensure(domainNo, contentsOf(changes));
    const met = await this.database.write('catalog.adopt', (tx) =>
      batches.write(tx, { taskNo, runNumber, domainNo }, changes, { touches: new RunTouches(), damaged: 'taken' }),
    );
    paths.remember(taskNo, met);
  }

  private async undoAll(taskNo: number): Promise<void> {
    const { undo } = this.parts;
    await undo.resume();
    await undo.idle();
    const left = await this.database.read((sql) => this.runs.activeRuns(sql, taskNo));
    if (left > 0) throw new DomainError('unavailable', 'A run could not be undone: begin again.');
  }
}

/** Records are views into a frame, which goes with the next one. */
function owned(change: Change): Change {
  const path = Buffer.from(change.path);
  if (change.type === 'close') return { ...change, path };
  return { ...change, path, entry: Buffer.from(change.entry), detection: Buffer.from(change.detection) };
}

/** In words when the run cannot be taken over; null when it could not be told. */
function reasonOf(error: unknown): string | null {
  if (error instanceof CorruptError) return error.message;
  const isLacking =
    error instanceof DomainError && ['object-missing', 'missing-chunks', 'corrupt', 'invalid'].includes(error.code);
  return isLacking ? error.message : null;
}
