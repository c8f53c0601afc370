import { Injectable, Logger } from '@nestjs/common';
import type { DeletionStop, DeletionStopKind } from '#common';
import { actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { ExportLine } from '../config-export/export-line';
import { Database } from '../database/database';
import { migrationLevel } from '../database/migration-level';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import type { PersonIdentity } from '../users/person-identity';
import { ClockWatch } from './clock-watch';
import { canBeAcknowledged, DeletionStopsRepository, type FoundStop } from './deletion-stops.repository';
import { HeartbeatsRepository } from './heartbeats.repository';
import { HighWater } from './high-water';
import { type StorageLead, StorageWatch, unverified } from './storage-watch';

/** What the guard looks at. */
@Injectable()
export class GuardWatches {
  constructor(
    readonly clock: ClockWatch,
    readonly storage: StorageWatch,
    readonly highWater: HighWater,
  ) {}
}

/** What it keeps. */
@Injectable()
export class GuardRepositories {
  constructor(
    readonly stops: DeletionStopsRepository,
    readonly beats: HeartbeatsRepository,
    readonly exports: ExportLine,
  ) {}
}

/** This server's own, of which the database, and the servers that are as new as it, know nothing. */
const SERVER_OLD: FoundStop = {
  kind: 'server-old',
  state: 'server-old',
  text: 'A newer version of Holdfast has migrated the database, and this server does not know what its rows mean now: upgrade it.',
};

/**
 * Looked at before anything is deleted: a wrong storage, an older database or a wrong clock deletes the wrong things (durability.md,
 * invariants 11 and 12). What is found stands in the database, for all servers, until it is put right or an admin acknowledges it;
 * a leap of the clock, or a storage that is ahead by more than records with names, until he does.
 */
@Injectable()
export class DeletionGuard {
  private readonly logger = new Logger(DeletionGuard.name);

  constructor(
    private readonly database: Database,
    private readonly watches: GuardWatches,
    private readonly repositories: GuardRepositories,
    private readonly audit: AuditService,
  ) {}

  /** Why nothing is deleted now; empty: deleting is safe, as far as the last look could tell. Cheap. */
  state(): Promise<DeletionStop[]> {
    return this.database.read((sql) => this.repositories.stops.list(sql));
  }

  /** A heartbeat: sees what the clock did since the last one. */
  async beat(): Promise<void> {
    const newestStampMs = await this.settle('guards.beat', async (tx) => {
      const beat = await this.watches.clock.beat(tx);
      const isBehind = beat.faults.some(({ kind }) => kind === 'clock-behind');
      // A leap stays until it is acknowledged: what time was in between, nobody can say.
      return { found: beat.faults, isGone: isBehind ? [] : ['clock-behind'], result: beat.newestStampMs };
    });
    if (newestStampMs > 0) await this.watches.highWater.raise(newestStampMs);
  }

  /**
   * The whole look, at the clock and through the names in storage. Throws `deletion-stopped`, or what the storage says when it is
   * another repository's or cannot be looked at. To be called before every pass that deletes.
   */
  async assertSafe(): Promise<void> {
    // First: what cannot be read in storage must stand as a stop, for those too who only ask what stands.
    await this.lookAtStorage();
    await this.beat();
    await this.database.read((sql) => this.assertIn(sql));
  }

  /**
   * To be called when all that storage knows was taken over: the database is as new as its storage then, whatever runs there were of
   * which nothing is left. False, and nothing is changed, while storage names runs or removals that the database does not know.
   */
  async settleAdoption(): Promise<boolean> {
    const { unknown, stampMs, configExport } = await this.watches.storage.lead();
    if (unknown.length > 0 || configExport !== null) return false;
    await this.database.write('catalog.adopt', async (tx) => {
      if (stampMs !== null) await this.repositories.beats.raiseNewestStamp(tx, stampMs);
      await this.repositories.stops.clear(tx, 'storage-ahead');
    });
    return true;
  }

  /** In the transaction that decides or deletes: stands for what the last whole look found, and looks at the clock anew. */
  async assertIn(sql: Sql): Promise<void> {
    const stop = await this.findIn(sql);
    if (stop !== undefined) throw deletionStopped(stop);
  }

  /** The stop that {@link assertIn} would throw. */
  async findIn(sql: Sql): Promise<FoundStop | undefined> {
    if ((await migrationLevel(sql)) === 'newer') return SERVER_OLD;
    const [stop] = await this.repositories.stops.list(sql);
    return stop ?? (await this.watches.clock.look(sql))[0];
  }

  /**
   * Deleting goes on although this stands, when it is still the state that the admin was shown; the next such stop is another.
   * Throws `not-found`, or `conflict` when it changed meanwhile, or is none that can be acknowledged.
   */
  async acknowledge(person: PersonIdentity, kind: DeletionStopKind, state: string): Promise<void> {
    if (!canBeAcknowledged(kind))
      throw new DomainError('conflict', `${kind} cannot be acknowledged: it must be put right.`);
    // Looked at anew: what was shown to him must be all that there is.
    const lead = kind === 'storage-ahead' ? await this.lookAtStorage() : null;
    await this.database.write('guards.acknowledge', async (tx) => {
      const stop = await this.repositories.stops.lock(tx, kind);
      if (stop === undefined) throw new DomainError('not-found', `Nothing is stopped by ${kind}.`);
      if (stop.state !== state)
        throw new DomainError('conflict', `What stops deletions (${kind}) has changed meanwhile: look again.`);
      await this.accept(tx, kind, { state, lead });
      await this.repositories.stops.clear(tx, kind);
      await this.audit.record(tx, actorOf(person), {
        action: 'maintenance.acknowledge',
        details: { kind, state, text: stop.text },
      });
    });
    this.logger.warn(`${person.username} acknowledged ${kind} (${state}).`);
  }

  /**
   * For a run that never began its commit, by its row, and that has a manifest in storage: the database was set back. Stops deletions
   * until an admin says so, and holds the task, for a newer run would keep this one from being taken over. False, and nothing is
   * changed, when he gave the run up.
   */
  async stopForRun(run: { taskNo: number; number: number; runId: string }): Promise<boolean> {
    const { stops } = this.repositories;
    const stop = await this.database.read((sql) => this.watches.storage.stopOfRun(sql, run.runId));
    if (stop === null) return false;
    await this.settle('guards.stop', async (tx) => {
      const reason = `run ${run.number} was committed, and the database is from before that`;
      await stops.holdTask(tx, run.taskNo, reason);
      // What stands already names this run, or does with the next look: another name for it would confuse who acknowledges it.
      const standing = (await stops.list(tx)).find(({ kind }) => kind === stop.kind);
      return { found: [StorageWatch.lasting(standing ?? stop)], isGone: [], result: null };
    });
    return true;
  }

  private async accept(
    tx: Sql,
    kind: DeletionStopKind,
    { state, lead }: { state: string; lead: StorageLead | null },
  ): Promise<void> {
    const { stops, beats, exports } = this.repositories;
    if (kind === 'clock-leapt') await this.watches.clock.believe(tx);
    if (kind === 'clock-behind') await stops.acknowledge(tx, kind, [state]);
    if (lead === null) return;
    await stops.releaseTasks(tx);
    // What is given up stays in storage, and names runs by their numbers: none of them is given again.
    await stops.raiseRunNumbers(tx, lead.runNumbers);
    await stops.acknowledge(
      tx,
      kind,
      lead.unknown.map(({ id }) => id),
    );
    if (lead.stampMs !== null) await beats.raiseNewestStamp(tx, lead.stampMs);
    if (lead.configExport !== null) await exports.accept(tx, lead.configExport);
  }

  private async lookAtStorage(): Promise<StorageLead> {
    let lead: StorageLead;
    try {
      lead = await this.watches.storage.lead();
    } catch (error) {
      const found = [unverified(error)];
      await this.settle('guards.stop', () => Promise.resolve({ found, isGone: [], result: null }));
      throw error;
    }
    const stands = await this.state();
    const isLasting = stands.some(({ kind, state }) => kind === 'storage-ahead' && !StorageWatch.endsByItself(state));
    const found = StorageWatch.stopOf(lead);
    const stop = found !== null && isLasting ? StorageWatch.lasting(found) : found;
    const isGone = stands.filter(
      ({ kind }) => kind === 'storage-unverified' || (kind === 'storage-ahead' && stop === null && !isLasting),
    );
    // Nothing to write, as nearly always.
    if (stop === null && isGone.length === 0) return lead;
    const look = { found: stop === null ? [] : [stop], isGone: isGone.map(({ kind }) => kind), result: null };
    await this.settle('guards.stop', () => Promise.resolve(look));
    return lead;
  }

  /** Writes down what a look found and what is over, and tells the log of what is new. */
  private async settle<T>(
    point: 'guards.beat' | 'guards.stop',
    look: (tx: Sql) => Promise<{ found: readonly FoundStop[]; isGone: readonly DeletionStopKind[]; result: T }>,
  ): Promise<T> {
    const { stops } = this.repositories;
    const { raised, cleared, result } = await this.database.write(point, async (tx) => {
      const outcome = await look(tx);
      const isNew: FoundStop[] = [];
      const isOver: DeletionStopKind[] = [];
      for (const stop of outcome.found) if (await stops.raise(tx, stop)) isNew.push(stop);
      for (const kind of outcome.isGone) if (await stops.clear(tx, kind)) isOver.push(kind);
      return { raised: isNew, cleared: isOver, result: outcome.result };
    });
    for (const stop of raised) this.logger.error(deletionStopped(stop).message);
    for (const kind of cleared) this.logger.log(`Deletions are no longer stopped by ${kind}.`);
    return result;
  }
}

/** What nothing is deleted for, in words. */
export function deletionStopped({ kind, text }: FoundStop): DomainError {
  const way = canBeAcknowledged(kind) ? `, or an admin acknowledges it (${kind} in GET /api/maintenance)` : '';
  return new DomainError('deletion-stopped', `${text} Nothing is deleted until this is put right${way}.`);
}
