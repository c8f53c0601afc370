import { Injectable } from '@nestjs/common';
import { Uptime } from '../config/uptime';
import { Database } from '../database/database';
import { ownerBoundOf, type PersonIdentity } from '../users/person-identity';
import { type ClientSpace, type OwnerSpace, type PackSpace, SpaceRepository } from './space.repository';

const MINUTE_MS = 60_000;
/** So old they may be without a new look; and so old they are still shown while one is taken. */
const FRESH_MS = 5 * MINUTE_MS;
const USABLE_MS = 60 * MINUTE_MS;
const TASKS_PER_SLICE = 20;

export type { OwnerSpace };

export interface SpaceFigures {
  /** When they were looked up, ms. */
  readonly atMs: number;
  readonly packs: readonly PackSpace[];
  /** By client; a client without runs is not there. */
  readonly clients: ReadonlyMap<string, ClientSpace>;
}

/** How the storage is used. What needs a long look is kept for some minutes: a page does not wait for it but the first time. */
@Injectable()
export class SpaceFiguresService {
  private kept: { readonly takenMs: number; readonly figures: SpaceFigures } | null = null;
  private looking: Promise<SpaceFigures> | null = null;

  constructor(
    private readonly database: Database,
    private readonly repository: SpaceRepository,
    private readonly uptime: Uptime,
  ) {}

  get(): Promise<SpaceFigures> {
    const { kept } = this;
    const age = kept === null ? Number.POSITIVE_INFINITY : this.uptime.elapsedMs() - kept.takenMs;
    if (kept === null || age > USABLE_MS) return this.look();
    // Who asks is answered; a look that fails is told to who has nothing older.
    if (age > FRESH_MS) this.look().catch(() => undefined);
    return Promise.resolve(kept.figures);
  }

  /** By owner, as it is now; a `user` finds himself alone. */
  owners(person: PersonIdentity): Promise<OwnerSpace[]> {
    return this.database.read((sql) => this.repository.owners(sql, ownerBoundOf(person)));
  }

  private look(): Promise<SpaceFigures> {
    this.looking ??= this.read().finally(() => (this.looking = null));
    return this.looking;
  }

  private async read(): Promise<SpaceFigures> {
    const takenMs = this.uptime.elapsedMs();
    const { atMs, packs, highest } = await this.database.read(async (sql) => ({
      atMs: await sql.now(),
      packs: await this.repository.packs(sql),
      highest: await this.repository.highestTask(sql),
    }));
    const clients = new Map<string, ClientSpace>();
    for (let after = 0; after < highest; after += TASKS_PER_SLICE) {
      const upTo = after + TASKS_PER_SLICE;
      const rows = await this.database.read((sql) => this.repository.tasks(sql, after, upTo));
      for (const row of rows) clients.set(row.clientId, sumOf(clients.get(row.clientId), row));
    }
    const figures = { atMs, packs, clients };
    this.kept = { takenMs, figures };
    return figures;
  }
}

function sumOf(sum: ClientSpace | undefined, part: ClientSpace): ClientSpace {
  if (sum === undefined) return part;
  return {
    clientId: part.clientId,
    snapshots: sum.snapshots + part.snapshots,
    shownBytes: sum.shownBytes + part.shownBytes,
    newestBytes: sum.newestBytes + part.newestBytes,
    newBytes: sum.newBytes + part.newBytes,
    storedBytes: sum.storedBytes + part.storedBytes,
  };
}
