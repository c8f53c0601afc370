import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { type Storage, STORAGE } from './storage';
import { REPOSITORY_KEY } from './storage-key';

const FORMAT = 1;
const ID_SETTING = 'repository_id';
/** Set once repository.json is known to be in storage: from then on its absence means "not our storage". */
const WRITTEN_SETTING = 'repository_written';

/**
 * Binds a database to its storage by the id in `repository.json`, and refuses to serve when they do not belong
 * together (durability.md, invariant 12): a database that knows nothing of what a storage holds would let it rot,
 * a storage that lacks what the database names would look like lost backups.
 *
 * First start: id into the database, then `repository.json`, then a note in the database that it is written. A crash
 * between leaves a state from which the next start goes on; no order of crashes leaves used storage without identity.
 */
@Injectable()
export class RepositoryIdentity implements OnModuleInit {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.verify();
  }

  /**
   * Returns the repository's id, or throws a DomainError that says what does not fit and what to do.
   * Storage is looked at before the database is asked why: another server may be making its first start meanwhile.
   */
  async verify(): Promise<string> {
    const stored = await this.readStored();
    const firstObject = stored === null ? await this.findObject() : REPOSITORY_KEY;
    const known = await this.readSetting(ID_SETTING);
    if (known === undefined && firstObject !== null) throw usedStorage(firstObject);
    if (known !== undefined && stored !== null && stored !== known) throw anotherRepository(stored, known);
    const id = known ?? (await this.chooseId());
    await this.establish(id);
    return id;
  }

  private async establish(id: string): Promise<void> {
    const isKnownEarly = (await this.readSetting(WRITTEN_SETTING)) !== undefined;
    const firstObject = isKnownEarly ? null : await this.findObject();
    const isKnown = isKnownEarly || (await this.readSetting(WRITTEN_SETTING)) !== undefined;
    const stored = await this.readStored();
    if (isKnown && stored === null) throw storageGone(id);
    if (stored !== null && stored !== id) throw anotherRepository(stored, id);
    if (isKnown) return;
    if (stored === null && firstObject !== null) throw usedStorage(firstObject);
    // Also when it is there: the put that made it may have been cut off before it was durable.
    await this.storage.put(REPOSITORY_KEY, { bytes: Buffer.from(`${JSON.stringify({ id, format: FORMAT })}\n`) });
    await this.database.write('settings.set', (tx) => addSetting(tx, WRITTEN_SETTING, '1'));
  }

  /** Two servers that start at once agree on the id that came first. */
  private chooseId(): Promise<string> {
    return this.database.write('settings.set', async (tx) => {
      await addSetting(tx, ID_SETTING, randomUUID());
      const id = await readSetting(tx, ID_SETTING);
      if (id === undefined) throw new Error('The setting repository_id was written and is not there');
      return id;
    });
  }

  private readStored(): Promise<string | null> {
    return readRepositoryId(this.storage);
  }

  private readSetting(name: string): Promise<string | undefined> {
    return this.database.read((sql) => readSetting(sql, name));
  }

  /** The key of any object but the identity itself. */
  private async findObject(): Promise<string | null> {
    for await (const { key } of this.storage.list('')) {
      if (key !== REPOSITORY_KEY) return key;
    }
    return null;
  }
}

/** The id in `repository.json`; null: there is none. Throws `corrupt`, or what the storage says. */
export async function readRepositoryId(storage: Storage): Promise<string | null> {
  if ((await storage.stat(REPOSITORY_KEY)) === null) return null;
  return parseIdentity((await storage.get(REPOSITORY_KEY)).toString('utf8'));
}

function parseIdentity(text: string): string {
  const found = parseJson(text);
  if (typeof found !== 'object' || found === null || !('id' in found) || !('format' in found)) throw unreadable();
  if (found.format !== FORMAT) {
    throw new DomainError(
      'corrupt',
      `${REPOSITORY_KEY} has a format that this version does not know: upgrade Holdfast.`,
    );
  }
  if (typeof found.id !== 'string' || !/^[0-9a-f-]{36}$/.test(found.id)) throw unreadable();
  return found.id;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw unreadable(error);
  }
}

async function readSetting(sql: Sql, name: string): Promise<string | undefined> {
  return (await sql.get<{ value: string }>('select value from settings where name = ?', [name]))?.value;
}

async function addSetting(tx: Sql, name: string, value: string): Promise<void> {
  await tx.run('insert into settings (name, value) values (?, ?) on conflict do nothing', [name, value]);
}

function unreadable(cause?: unknown): DomainError {
  return new DomainError('corrupt', `${REPOSITORY_KEY} in the backup storage cannot be read: restore that file.`, {
    cause,
  });
}

function usedStorage(what: string): DomainError {
  return new DomainError(
    'storage-unavailable',
    `The database is empty, but the storage already holds a repository (${what}). Put the database that belongs to it back ` +
      '(DATABASE_PATH or DATABASE_URL), bring its catalog back from the dump in the storage ("holdfast-server restore-catalog"), or give this server a new storage (BACKUP_STORAGE_PATH, or S3_BUCKET and S3_PREFIX). Nothing was changed.',
  );
}

function anotherRepository(stored: string, known: string): DomainError {
  return new DomainError(
    'storage-unavailable',
    `The storage holds repository ${stored}, the database belongs to ${known}. Set BACKUP_STORAGE_PATH (or S3_BUCKET ` +
      'and S3_PREFIX) and DATABASE_PATH (or DATABASE_URL) to two that belong together. Nothing was changed.',
  );
}

function storageGone(id: string): DomainError {
  return new DomainError(
    'storage-unavailable',
    `The storage has no ${REPOSITORY_KEY}, but the database belongs to repository ${id}. Is its disk mounted at ` +
      'BACKUP_STORAGE_PATH (or do S3_BUCKET and S3_PREFIX name another place)? Nothing was changed.',
  );
}
