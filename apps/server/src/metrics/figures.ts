import { Injectable } from '@nestjs/common';
import { DamageService } from '../backups/damage.service';
import { Database } from '../database/database';
import { FleetService, type WatchedClient } from '../fleet/fleet.service';
import { FiguresRepository, type JobFigures, type PackFigures, type RunFigures } from './figures.repository';

/** So long a scrape takes what an earlier one found: nobody loads the database by asking often. */
const KEPT_MS = 15_000;
const TASKS_PER_SLICE = 20;
/** Runs are added up anew after so many times what it took: millions of them take seconds, and there are scrapes every quarter of a minute. */
const REST_PER_LOOK = 50;

export interface Figures {
  readonly runs: readonly RunFigures[];
  readonly packs: readonly PackFigures[];
  /** Found by scrub, a restore or reclaim, by whichever process. */
  readonly damagedChunks: number;
  readonly jobs: readonly JobFigures[];
  readonly clients: readonly WatchedClient[];
}

/** What the catalog says, at most some seconds old; the same on every server. */
@Injectable()
export class CatalogFigures {
  private kept: { readonly atMs: number; readonly figures: Promise<Figures> } | null = null;
  private keptRuns: { readonly untilMs: number; readonly runs: readonly RunFigures[] } | null = null;

  constructor(
    private readonly database: Database,
    private readonly repository: FiguresRepository,
    private readonly fleet: FleetService,
    private readonly damage: DamageService,
  ) {}

  get(): Promise<Figures> {
    const now = performance.now();
    if (this.kept !== null && now - this.kept.atMs < KEPT_MS) return this.kept.figures;
    const figures = this.look();
    this.kept = { atMs: now, figures };
    // A look that failed is no answer for the next one.
    figures.catch(() => (this.kept = null));
    return figures;
  }

  private async look(): Promise<Figures> {
    const [packs, jobs] = await this.database.read(async (sql) => [
      await this.repository.packs(sql),
      await this.repository.jobs(sql),
    ]);
    const clients = await this.fleet.watched();
    const damagedChunks = await this.damage.countChunks();
    return { runs: await this.runs(), packs, damagedChunks, jobs, clients };
  }

  private async runs(): Promise<readonly RunFigures[]> {
    const begunMs = performance.now();
    if (this.keptRuns !== null && begunMs < this.keptRuns.untilMs) return this.keptRuns.runs;
    const runs = await this.lookAtRuns();
    const nowMs = performance.now();
    this.keptRuns = { untilMs: nowMs + (nowMs - begunMs) * REST_PER_LOOK, runs };
    return runs;
  }

  private async lookAtRuns(): Promise<RunFigures[]> {
    const sums = new Map<string, RunFigures>();
    const highest = await this.database.read((sql) => this.repository.highestTask(sql));
    for (let after = 0; after < highest; after += TASKS_PER_SLICE) {
      const slice = await this.database.read((sql) => this.repository.runsOf(sql, after, after + TASKS_PER_SLICE));
      for (const part of slice) sums.set(part.state, added(sums.get(part.state), part));
      // SQLite answers at once: without this, nobody else would have a turn until all are read.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return [...sums.values()];
  }
}

function added(sum: RunFigures | undefined, part: RunFigures): RunFigures {
  if (sum === undefined) return part;
  return {
    state: part.state,
    runs: sum.runs + part.runs,
    logicalBytes: sum.logicalBytes + part.logicalBytes,
    readBytes: sum.readBytes + part.readBytes,
    newChunks: sum.newChunks + part.newChunks,
    storedBytes: sum.storedBytes + part.storedBytes,
  };
}
