import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { configNumber, voidKey } from '#engine';
import { ExportLine } from '../config-export/export-line';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import { type Storage, STORAGE } from '../storage/storage';
import type { FoundStop } from './deletion-stops.repository';
import { HeartbeatsRepository } from './heartbeats.repository';
import { HighWater } from './high-water';
import { type NamedRecord, RecordedHistory } from './recorded-history.repository';

const KEYS_PER_LOOK = 500;
const RECORD_KEY = /^tasks\/([^/]+)\/(run|void|removed)-([0-9]+)-([0-9a-f-]{36})$/;

/** What storage knows and the database does not. */
export interface StorageLead {
  readonly unknown: readonly NamedRecord[];
  /** By UUID of the task, the highest number that a run of it has in storage, whether the database knows the run or not. */
  readonly runNumbers: ReadonlyMap<string, number>;
  /** Highest stamp in storage, where it is above all that the database knows of; else null. */
  readonly stampMs: number | null;
  /** Number of the newest config export in storage, where it is above all that the database made; else null. */
  readonly configExport: number | null;
}

/** Found by the name of its object. */
interface StoredRecord extends NamedRecord {
  /** Of the object that says it is void. */
  readonly voidKey: string;
}

/** How the state of a stop begins that ends by itself: what was unknown has a name, and is known or gone. */
const NAMED = 'named-';

/** What the watch reads. */
@Injectable()
export class StorageWatchReading {
  constructor(
    readonly recorded: RecordedHistory,
    readonly beats: HeartbeatsRepository,
    readonly highWater: HighWater,
    readonly exports: ExportLine,
  ) {}
}

/** Compares the database with its storage: a wrong storage, or an older database, takes the wrong things for unused. */
@Injectable()
export class StorageWatch {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly identity: RepositoryIdentity,
    private readonly reading: StorageWatchReading,
  ) {}

  /** Throws the DomainError of the storage when it is another repository's, or cannot be told. */
  async lead(): Promise<StorageLead> {
    await this.identity.verify();
    // Storage first: what is written between is known to the database by then.
    const highest = await this.reading.highWater.highest();
    const exported = await this.newestExport();
    const { newest, made } = await this.database.read(async (sql) => ({
      newest: await this.reading.beats.newestStamp(sql),
      made: await this.reading.exports.newest(sql),
    }));
    return {
      ...(await this.named()),
      stampMs: highest > newest ? highest : null,
      configExport: exported > made ? exported : null,
    };
  }

  /** The lasting stop for a run alone that has a manifest in storage; null: the database knows it, or an admin gave it up. */
  async stopOfRun(sql: Sql, runId: string): Promise<FoundStop | null> {
    const found = await this.reading.recorded.findUnknown(sql, [{ kind: 'run', id: runId }]);
    const unknown = found.map(({ record }) => record);
    const stop = StorageWatch.stopOf({ unknown, stampMs: null, configExport: null });
    return stop === null ? null : StorageWatch.lasting(stop);
  }

  /**
   * Whether a stop of this state is over once storage leads no more. A newer run, or an export, raises what the database knows
   * without making it less old: what was told by a stamp or a number stands until somebody says what becomes of it.
   */
  static endsByItself(state: string): boolean {
    return state.startsWith(NAMED);
  }

  /** The same, but that it does not end by itself: one before it does not. */
  static lasting(stop: FoundStop): FoundStop {
    return { ...stop, state: stop.state.replace(NAMED, '') };
  }

  /** The stop that this is; null when storage knows nothing more than the database. */
  static stopOf({ unknown, stampMs, configExport }: Omit<StorageLead, 'runNumbers'>): FoundStop | null {
    const [first] = unknown;
    if (first === undefined && stampMs === null && configExport === null) return null;
    const hash = createHash('sha256');
    for (const id of unknown.map((record) => record.id).sort()) hash.update(id);
    hash.update(`${String(stampMs)} ${String(configExport)}`);
    const isNamed = stampMs === null && configExport === null;
    return {
      kind: 'storage-ahead',
      state: `${isNamed ? NAMED : ''}${hash.digest('hex').slice(0, 32)}`,
      text:
        `The storage ${wordsOf({ unknown, stampMs, configExport })}: the database is older than its storage. Bring the newest database back, or stop the server and have ` +
        'what the storage knows taken over (holdfast-server restore-catalog --adopt). To acknowledge this is to give up what the database does not know.',
    };
  }

  private async newestExport(): Promise<number> {
    let newest = 0;
    for await (const { key } of this.storage.list('config/')) newest = Math.max(newest, configNumber(key) ?? 0);
    return newest;
  }

  private async named(): Promise<Pick<StorageLead, 'unknown' | 'runNumbers'>> {
    const unknown: NamedRecord[] = [];
    const ended: StoredRecord[] = [];
    const voids = new Set<string>();
    const runNumbers = new Map<string, number>();
    let records: StoredRecord[] = [];
    const look = async (): Promise<void> => {
      const looked = records;
      records = [];
      if (looked.length === 0) return;
      const found = await this.database.read((sql) => this.reading.recorded.findUnknown(sql, looked));
      for (const { record, isEnded } of found) (isEnded ? ended : unknown).push(record);
    };
    for await (const { key } of this.storage.list('tasks/')) {
      const [, taskId = '', kind, digits, id] = RECORD_KEY.exec(key) ?? [];
      if (id === undefined) continue;
      if (kind !== 'removed') runNumbers.set(taskId, Math.max(Number(digits), runNumbers.get(taskId) ?? 0));
      if (kind === 'void') {
        voids.add(id);
        continue;
      }
      const record = {
        kind: kind === 'run' ? 'run' : 'removal',
        id,
        voidKey: voidKey(taskId, Number(digits), id),
      } as const;
      if (records.push(record) >= KEYS_PER_LOOK) await look();
    }
    await look();
    unknown.push(...(await this.withoutVoid(ended.filter(({ id }) => !voids.has(id)))));
    return { unknown, runNumbers };
  }

  /** Asked for by name: one may have been undone since the listing went by. */
  private async withoutVoid(ended: readonly StoredRecord[]): Promise<StoredRecord[]> {
    const found: StoredRecord[] = [];
    for (const record of ended) if ((await this.storage.stat(record.voidKey)) === null) found.push(record);
    return found;
  }
}

function wordsOf({ unknown, stampMs, configExport }: Omit<StorageLead, 'runNumbers'>): string {
  const [first] = unknown;
  const more = unknown.length > 1 ? ` and ${unknown.length - 1} more` : '';
  if (first !== undefined) return `has the ${first.kind} ${first.id}${more}, which the database does not know`;
  if (stampMs !== null)
    return `says that a run was made at ${new Date(stampMs).toISOString()}, and the newest that the database knows is older`;
  return `has the config export ${String(configExport)}, which the database never made`;
}

/** A look that failed: another repository's storage, or one that cannot be told. */
export function unverified(error: unknown): FoundStop {
  const text = error instanceof DomainError ? error.message : 'The storage could not be looked at.';
  return { kind: 'storage-unverified', state: 'storage', text };
}
