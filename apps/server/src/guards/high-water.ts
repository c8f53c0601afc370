import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import { type Storage, STORAGE } from '../storage/storage';
import { HIGH_WATER_PREFIX } from '../storage/storage-key';

const FORMAT = 1;

/**
 * The newest stamp that each server knows of, in storage: a database that knows of none so new is older than its storage, also
 * where no run and no removal says so any more. One object a server, never lowered (docs/format.md).
 */
@Injectable()
export class HighWater {
  /** What this server's object says, as far as this process read or wrote it. */
  private writtenMs: number | null = null;

  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly identity: RepositoryIdentity,
  ) {}

  /** Call it with a stamp that is durable in the database: storage must not be ahead of it. */
  async raise(stampMs: number): Promise<void> {
    const key = this.ownKey();
    this.writtenMs ??= (await this.storage.stat(key)) === null ? 0 : await this.read(key);
    if (stampMs <= this.writtenMs) return;
    // Not into another repository's storage that stands where ours was.
    await this.identity.verify();
    await this.storage.put(key, {
      bytes: Buffer.from(`${JSON.stringify({ format: FORMAT, newestStampMs: stampMs })}\n`),
    });
    this.writtenMs = stampMs;
  }

  /** The highest of all servers; 0: none was ever written. */
  async highest(): Promise<number> {
    let highest = 0;
    for await (const { key } of this.storage.list(HIGH_WATER_PREFIX)) highest = Math.max(highest, await this.read(key));
    return highest;
  }

  /** On SQLite there is one server, whatever its machine is called. */
  private ownKey(): string {
    const server = this.database.dialect === 'sqlite' ? 'the only one' : hostname();
    return `${HIGH_WATER_PREFIX}${createHash('sha256').update(server).digest('hex').slice(0, 16)}`;
  }

  private async read(key: string): Promise<number> {
    const text = (await this.storage.get(key)).toString('utf8');
    const found = parseJson(text);
    if (typeof found !== 'object' || found === null || !('newestStampMs' in found) || !('format' in found))
      throw unreadable(key);
    if (found.format !== FORMAT)
      throw new DomainError('corrupt', `${key} has a format that this version does not know: upgrade Holdfast.`);
    const stampMs = found.newestStampMs;
    if (typeof stampMs !== 'number' || !Number.isSafeInteger(stampMs) || stampMs < 0) throw unreadable(key);
    return stampMs;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function unreadable(key: string): DomainError {
  return new DomainError(
    'corrupt',
    `${key} in the backup storage cannot be read. It only says how new the newest run is: remove it when the database is ` +
      'certainly the newest, and it is written again.',
  );
}
