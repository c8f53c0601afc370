import { Injectable } from '@nestjs/common';
import { ClientsQuery } from '#common';
import { DamageService } from '../backups/damage.service';
import { Database } from '../database/database';
import { FleetService } from '../fleet/fleet.service';
import type { PersonIdentity } from '../users/person-identity';
import { FiguresRepository, type JobFigures, type PackFigures, type RunFigures } from './figures.repository';

/** So long a scrape takes what an earlier one found: nobody loads the database by asking often. */
const KEPT_MS = 15_000;
const TASKS_PER_SLICE = 20;

/** The metrics see what an admin sees. */
const METRICS: PersonIdentity = {
  ...{ userNo: 0, userId: '', username: 'metrics', role: 'admin' },
  ...{ signedInMs: null, scopes: null, address: null },
};

export interface ClientFigures {
  readonly name: string;
  readonly owner: string;
  readonly status: string;
  readonly isLate: boolean;
  readonly lastBackupMs: number | null;
}

export interface Figures {
  readonly runs: readonly RunFigures[];
  readonly packs: readonly PackFigures[];
  /** Found by scrub, a restore or reclaim, by whichever process. */
  readonly damagedChunks: number;
  readonly jobs: readonly JobFigures[];
  readonly clients: readonly ClientFigures[];
}

/** What the catalog says, at most some seconds old; the same on every server. */
@Injectable()
export class CatalogFigures {
  private kept: { readonly atMs: number; readonly figures: Promise<Figures> } | null = null;

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
    const { clients } = await this.fleet.list(METRICS, new ClientsQuery());
    const damagedChunks = await this.damage.countChunks();
    return { runs: await this.lookAtRuns(), packs, damagedChunks, jobs, clients };
  }

  private async lookAtRuns(): Promise<RunFigures[]> {
    const sums = new Map<string, RunFigures>();
    const highest = await this.database.read((sql) => this.repository.highestTask(sql));
    for (let after = 0; after < highest; after += TASKS_PER_SLICE) {
      const slice = await this.database.read((sql) => this.repository.runsOf(sql, after, after + TASKS_PER_SLICE));
      for (const part of slice) sums.set(part.state, added(sums.get(part.state), part));
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
