import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  configKey,
  configNumber,
  encodeConfigHeader,
  encodeConfigRecord,
  openConfigExport,
  RecordStreamEncoder,
} from '#engine';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import { type Storage, STORAGE } from '../storage/storage';
import { ConfigDigest } from './config-digest';
import { ConfigExportsRepository, type ExportPlace } from './config-exports.repository';
import { ConfigRowsRepository } from './config-rows.repository';
import { SettledConfig } from './settled-config';

/** The newest is whole by itself; a few more, should one be found damaged. */
const KEPT_EXPORTS = 8;

interface MadeExport {
  readonly number: number;
  readonly digest: string;
  readonly bytes: Buffer;
}

/**
 * Keeps storage's copy of what the server was told: users, clients, tasks, policies, pins. Who was deleted or revoked stays
 * so when an older database is brought back, because its export names him (durability.md, "What storage knows"). Such a database
 * exports nothing: its export would stand above newer ones and be believed. It waits until these were adopted, or given up.
 */
@Injectable()
export class ConfigExport extends SettledConfig {
  private current: Promise<void> | null = null;
  private next: Promise<void> | null = null;

  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly rows: ConfigRowsRepository,
    private readonly exports: ConfigExportsRepository,
    private readonly identity: RepositoryIdentity,
  ) {
    super();
  }

  /** Nothing is written when the newest export says the same. */
  async settle(): Promise<void> {
    try {
      await this.exported();
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      throw new DomainError(
        'storage-unavailable',
        `The change is made, but storage could not be told of it: ask for it once more when that is put right. (${error.message})`,
        { cause: error },
      );
    }
  }

  private exported(): Promise<void> {
    // One that is under way may have read its rows already: those who come meanwhile share the one after it.
    if (this.current === null) return this.begin();
    this.next ??= this.current.catch(() => undefined).then(() => this.begin());
    return this.next;
  }

  private begin(): Promise<void> {
    this.next = null;
    this.current = this.export().finally(() => {
      this.current = null;
    });
    return this.current;
  }

  private async export(): Promise<void> {
    // Another repository's storage may stand where ours was: nothing is written there, and none of its exports removed.
    await this.identity.verify();
    const inStorage = await this.newestInStorage();
    const made = await this.database.write('config.export', (tx) => this.make(tx, inStorage));
    if (made === null) return;
    await this.storage.put(configKey(made.number, randomUUID()), { bytes: made.bytes });
    const place = await this.database.write('config.export', (tx) => this.markStored(tx, made));
    await this.prune(place);
  }

  /** Numbered and read under one lock, so that of two exports the one with the larger number knows more. */
  private async make(tx: Sql, inStorage: number): Promise<MadeExport | null> {
    const place = await this.exports.lock(tx);
    if (inStorage > place.number) throw isOlder(inStorage, place);
    const number = place.number + 1;
    const encoder = new RecordStreamEncoder('config', 'compressed');
    const header = { repositoryId: await this.exports.repositoryId(tx), number, madeMs: await tx.now() };
    const digest = new ConfigDigest();
    const parts = [encoder.add(encodeConfigHeader(header))];
    for await (const record of this.rows.all(tx)) {
      const bytes = encodeConfigRecord(record);
      digest.add(bytes);
      parts.push(encoder.add(bytes));
    }
    const { stored, foreignUpTo } = place;
    // Below one that was given up it does not count: whoever reads exports believes the newest.
    const isThere = stored !== null && stored.number > foreignUpTo && inStorage >= stored.number;
    if (isThere && digest.value() === stored.digest) return null;
    const bytes = Buffer.concat([...parts.filter((part) => part !== null), encoder.finish()]);
    await this.exports.save(tx, { ...place, number });
    return { number, digest: digest.value(), bytes };
  }

  private async markStored(tx: Sql, { number, digest }: MadeExport): Promise<ExportPlace> {
    const place = await this.exports.lock(tx);
    if (number <= (place.stored?.number ?? 0)) return place;
    const after = { ...place, stored: { number, digest } };
    await this.exports.save(tx, after);
    return after;
  }

  private async newestInStorage(): Promise<number> {
    let newest = 0;
    for await (const { key } of this.storage.list('config/')) newest = Math.max(newest, configNumber(key) ?? 0);
    return newest;
  }

  /** Only after newer ones are durable and read back. */
  private async prune({ stored, foreignUpTo }: ExportPlace): Promise<void> {
    const keys: string[] = [];
    for await (const { key } of this.storage.list('config/')) keys.push(key);
    const own = keys.filter((key) => (configNumber(key) ?? 0) > foreignUpTo);
    const old = own.slice(0, -KEPT_EXPORTS).filter((key) => (configNumber(key) ?? 0) < (stored?.number ?? 0));
    if (old.length === 0) return;
    await this.verify(own.at(-1) ?? '');
    for (const key of old) await this.storage.delete(key);
  }

  /** Throws for an export that cannot be read to its end. */
  private async verify(key: string): Promise<void> {
    const { records } = await openConfigExport(await this.storage.stream(key), key);
    while ((await records.next()).done !== true);
  }
}

function isOlder(inStorage: number, { number }: ExportPlace): DomainError {
  return new DomainError(
    'conflict',
    `The storage holds the config export ${inStorage}, and the newest of this database is ${number}: the database is older than its ` +
      'storage. Bring the newest one back, or have an admin acknowledge storage-ahead (GET /api/maintenance).',
  );
}
