import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import { type Storage, STORAGE } from '../storage/storage';
import type { FoundStop } from './deletion-stops.repository';
import { HeartbeatsRepository } from './heartbeats.repository';
import { HighWater } from './high-water';
import { type NamedRecord, RecordedHistory } from './recorded-history.repository';

const KEYS_PER_LOOK = 500;
const RECORD_KEY = /\/(run|removed)-[0-9]+-([0-9a-f-]{36})$/;

/** What storage knows and the database does not. */
export interface StorageLead {
  readonly unknown: readonly NamedRecord[];
  /** Highest stamp in storage, where it is above all that the database knows of; else null. */
  readonly stampMs: number | null;
}

/** What the watch reads. */
@Injectable()
export class StorageWatchReading {
  constructor(
    readonly recorded: RecordedHistory,
    readonly beats: HeartbeatsRepository,
    readonly highWater: HighWater,
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
    const newest = await this.database.read((sql) => this.reading.beats.newestStamp(sql));
    return { unknown: await this.unknown(), stampMs: highest > newest ? highest : null };
  }

  /** The stop that this is; null when storage knows nothing more than the database. */
  static stopOf({ unknown, stampMs }: StorageLead): FoundStop | null {
    const [first] = unknown;
    if (first === undefined && stampMs === null) return null;
    const hash = createHash('sha256');
    for (const id of unknown.map((record) => record.id).sort()) hash.update(id);
    hash.update(String(stampMs));
    const more = unknown.length > 1 ? ` and ${unknown.length - 1} more` : '';
    const what =
      first === undefined
        ? `says that a run was made at ${new Date(stampMs ?? 0).toISOString()}, and the newest that the database knows is older`
        : `has the ${first.kind} ${first.id}${more}, which the database does not know`;
    return {
      kind: 'storage-ahead',
      state: hash.digest('hex').slice(0, 32),
      text:
        `The storage ${what}: the database is older than its storage. Bring the newest database back. To acknowledge this is ` +
        'to give up what the database does not know.',
    };
  }

  private async unknown(): Promise<NamedRecord[]> {
    const unknown: NamedRecord[] = [];
    let records: NamedRecord[] = [];
    const look = async (): Promise<void> => {
      const looked = records;
      records = [];
      if (looked.length === 0) return;
      unknown.push(...(await this.database.read((sql) => this.reading.recorded.findUnknown(sql, looked))));
    };
    for await (const { key } of this.storage.list('tasks/')) {
      const [, kind, id] = RECORD_KEY.exec(key) ?? [];
      if (id === undefined) continue;
      if (records.push({ kind: kind === 'run' ? 'run' : 'removal', id }) >= KEYS_PER_LOOK) await look();
    }
    await look();
    return unknown;
  }
}

/** A look that failed: another repository's storage, or one that cannot be told. */
export function unverified(error: unknown): FoundStop {
  const text = error instanceof DomainError ? error.message : 'The storage could not be looked at.';
  return { kind: 'storage-unverified', state: 'storage', text };
}
