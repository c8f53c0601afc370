import { Inject, Injectable } from '@nestjs/common';
import {
  type ConfigKind,
  configNumber,
  type ConfigRecord,
  type ConfigRow,
  CorruptError,
  openConfigExport,
} from '#engine';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import { type Storage, STORAGE } from '../storage/storage';
import { ConfigAdoptionRepository } from './config-adoption.repository';
import { ConfigExportsRepository } from './config-exports.repository';

interface NewerConfig {
  readonly number: number;
  readonly madeMs: number;
  readonly records: readonly ConfigRecord[];
}

type NamedRow = ConfigRow<'user'> | ConfigRow<'client'> | ConfigRow<'task'>;

const TABLES = { user: 'users', client: 'clients', task: 'tasks', token: 'api_tokens', pin: 'pins' } as const;
type Tabled = keyof typeof TABLES;

/** Tells an older database what storage knows of users, clients, tasks, tokens and pins, and who is gone. */
@Injectable()
export class ConfigAdoption {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly identity: RepositoryIdentity,
    private readonly exports: ConfigExportsRepository,
    private readonly rows: ConfigAdoptionRepository,
  ) {}

  /**
   * The newest export, when this database did not make it. Pins are left for {@link applyPins}: their snapshots may have to be
   * taken over first. Returns how many rows it told; null: storage knows nothing newer. One transaction.
   */
  async apply(): Promise<number | null> {
    const newer = await this.newer();
    if (newer === null) return null;
    await this.database.write('catalog.adopt', async (tx) => {
      for (const kind of ['user', 'client', 'task'] as const) {
        const own = rowsOf(newer, kind) as readonly object[] as readonly NamedRow[];
        const names = own.map(nameOf);
        await this.rows.setNamesAside(tx, TABLES[kind], { ids: own.map(({ id }) => id), names });
      }
      for (const row of rowsOf(newer, 'user')) {
        await this.rows.domain(tx, row.domain, row.createdMs);
        await this.rows.user(tx, row);
      }
      for (const row of rowsOf(newer, 'client')) {
        await this.rows.domain(tx, row.domain, row.createdMs);
        await this.rows.client(tx, row);
      }
      for (const row of rowsOf(newer, 'task')) await this.rows.task(tx, row);
      for (const row of rowsOf(newer, 'token')) await this.rows.token(tx, row);
      for (const row of rowsOf(newer, 'setting')) await this.rows.setting(tx, row);
      for (const kind of ['user', 'client', 'task', 'token'] as const) await this.buryOthers(tx, newer, kind);
    });
    return newer.records.length;
  }

  /** The last step of the config: pins, sign-ins of then, and the number from which on this database exports. Idempotent. */
  async finish(): Promise<void> {
    const newer = await this.newer();
    await this.database.write('catalog.adopt', async (tx) => {
      await this.rows.endOldTimes(tx);
      if (newer === null) return;
      for (const row of rowsOf(newer, 'pin')) await this.rows.pin(tx, row);
      await this.buryOthers(tx, newer, 'pin');
      const place = await this.exports.lock(tx);
      await this.exports.save(tx, { ...place, number: newer.number, stored: null });
    });
  }

  /** One that cannot be read is passed over for the one before it, if that is newer than the database still. */
  private async newer(): Promise<NewerConfig | null> {
    const repositoryId = await this.identity.verify();
    const { number: own } = await this.database.read((sql) => this.exports.load(sql));
    const keys: string[] = [];
    for await (const { key } of this.storage.list('config/')) if ((configNumber(key) ?? 0) > own) keys.push(key);
    for (const key of keys.reverse()) {
      try {
        const { header, records } = await openConfigExport(await this.storage.stream(key), key);
        const all: ConfigRecord[] = [];
        for await (const record of records) all.push(record);
        if (header.repositoryId !== repositoryId)
          throw new DomainError('corrupt', `${key} is of repository ${header.repositoryId}`);
        return { number: header.number, madeMs: header.madeMs, records: all };
      } catch (error) {
        if (!(error instanceof CorruptError)) throw error;
      }
    }
    if (keys.length === 0) return null;
    throw new DomainError('corrupt', 'No newer export of the configuration in storage can be read.');
  }

  private async buryOthers(tx: Sql, newer: NewerConfig, kind: Tabled): Promise<void> {
    const table = TABLES[kind];
    const named = new Set(rowsOf(newer, kind).map(({ id }) => id));
    for (const id of await this.rows.idsBefore(tx, table, newer.madeMs)) {
      if (!named.has(id)) await this.rows.bury(tx, table, id);
    }
  }
}

function rowsOf<K extends ConfigKind>({ records }: NewerConfig, kind: K): ConfigRow<K>[] {
  return records.filter((record) => record.kind === kind).map(({ row }) => row as unknown as ConfigRow<K>);
}

function nameOf(row: NamedRow): string {
  return 'username' in row ? row.username : row.name;
}
