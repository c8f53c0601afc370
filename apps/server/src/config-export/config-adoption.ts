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

  /** Throws `corrupt` when {@link apply} would: to be called before anything is changed. */
  async assertReadable(): Promise<void> {
    await this.newer();
  }

  /**
   * The newest export, when this database did not make it. Pins are left for {@link finish}: their snapshots may have to be
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
      const domains = new Map<number, number>();
      for (const row of rowsOf(newer, 'user'))
        await this.rows.user(tx, row, await this.domainOf(tx, newer, { row, domains }));
      for (const row of rowsOf(newer, 'client'))
        await this.rows.client(tx, row, await this.domainOf(tx, newer, { row, domains }));
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
      await this.applyPins(tx, newer);
      if (newer === null) return;
      const place = await this.exports.lock(tx);
      await this.exports.save(tx, { ...place, number: newer.number, stored: null });
    });
  }

  /** Those whose snapshots were not taken over are kept for when they are: no later export of this database names them. */
  private async applyPins(tx: Sql, newer: NewerConfig | null): Promise<void> {
    const pins = new Map((await this.rows.pinsToCome(tx)).map((row) => [row.id, row]));
    if (newer !== null) {
      await this.buryOthers(tx, newer, 'pin');
      for (const row of rowsOf(newer, 'pin')) pins.set(row.id, row);
    }
    const toCome: ConfigRow<'pin'>[] = [];
    for (const row of pins.values()) if (!(await this.rows.pin(tx, row))) toCome.push(row);
    await this.rows.savePinsToCome(tx, toCome);
  }

  /** Only the newest counts: one before it may not know who was revoked or deleted since. */
  private async newer(): Promise<NewerConfig | null> {
    const repositoryId = await this.identity.verify();
    const { number: own } = await this.database.read((sql) => this.exports.load(sql));
    let key: string | null = null;
    for await (const object of this.storage.list('config/'))
      if ((configNumber(object.key) ?? 0) > own) key = object.key;
    if (key === null) return null;
    try {
      const { header, records } = await openConfigExport(await this.storage.stream(key), key);
      const all: ConfigRecord[] = [];
      for await (const record of records) all.push(record);
      if (header.repositoryId !== repositoryId)
        throw new DomainError('corrupt', `${key} is of repository ${header.repositoryId}`);
      return { number: header.number, madeMs: header.madeMs, records: all };
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      throw new DomainError(
        'corrupt',
        `The newest export of the configuration, ${key}, cannot be read (${error.message}): bring it back. Where that cannot be, move it out of the ` +
          'storage and begin again: the one before it counts then, and who was revoked, disabled or deleted since comes back.',
        { cause: error },
      );
    }
  }

  /**
   * Number here of a row's domain. Where this database went on by itself it may have given the export's number to somebody else, who
   * must not share chunks with this one: it is the same domain only if a row that both know says so.
   */
  private async domainOf(
    tx: Sql,
    newer: NewerConfig,
    { row, domains }: { row: ConfigRow<'user'> | ConfigRow<'client'>; domains: Map<number, number> },
  ): Promise<number> {
    const { domain, createdMs } = row;
    const own = (kind: 'user' | 'client'): string[] =>
      rowsOf(newer, kind).flatMap((other) => (other.domain === domain ? [other.id] : []));
    const no =
      domains.get(domain) ??
      (await this.rows.domainAmong(tx, domain, { users: own('user'), clients: own('client') })) ??
      (await this.rows.openDomain(tx, domain, createdMs));
    domains.set(domain, no);
    return no;
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
