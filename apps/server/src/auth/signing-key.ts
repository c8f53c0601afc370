import { createHash, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { loadOrCreateSecret } from '../config/secret-file';
import { isWellKnownSecret, MIN_SECRET_KEY_CHARACTERS } from '../config/secret-rules';
import { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { Database } from '../database/database';
import { SigningKeyRepository } from './signing-key.repository';

const FILE_NAME = 'secret-key';

export interface TokenKey {
  readonly kid: string;
  readonly key: KeyObject;
}

/**
 * The keys of tokens: the present one signs, the previous one is still believed. From SECRET_KEY, or else generated: kept
 * beside the storage with SQLite, and in the database with PostgreSQL, where many servers have it in common.
 */
@Injectable()
export class SigningKey implements OnApplicationBootstrap {
  private loaded: { current: TokenKey; previous: TokenKey | null } | null = null;

  constructor(
    private readonly settings: ServerSettings,
    private readonly database: Database,
    private readonly kept: SigningKeyRepository,
  ) {}

  /** At bootstrap, when the storage has proven to be the right one: nothing is written beside a missing mount. */
  async onApplicationBootstrap(): Promise<void> {
    const { secretKey, secretKeyPrevious } = this.settings;
    const current = tokenKeyOf(secretKey ?? (await this.generated()));
    this.loaded = { current, previous: secretKeyPrevious === null ? null : tokenKeyOf(secretKeyPrevious) };
  }

  get current(): TokenKey {
    if (this.loaded === null) throw new Error('the signing key is not loaded yet');
    return this.loaded.current;
  }

  /** The key of this id; the current one, whose check will fail, when it is none of ours. */
  named(kid: unknown): TokenKey {
    const { current } = this;
    const previous = this.loaded?.previous ?? null;
    return previous !== null && previous.kid === kid ? previous : current;
  }

  private async generated(): Promise<string> {
    const { database } = this;
    const isShared = database.dialect === 'postgres';
    const secret = isShared
      ? await database.write('settings.set', (tx) => this.kept.loadOrCreate(tx, newSecret()))
      : await loadOrCreateSecret(this.file, newSecret);
    if (secret.length >= MIN_SECRET_KEY_CHARACTERS && !isWellKnownSecret(secret)) return secret;
    throw new StartError(
      isShared
        ? 'The database holds no usable token key. Set SECRET_KEY (openssl rand -hex 32): everybody signs in again then.'
        : `${this.file} holds no usable key. Bring it back from a copy, or delete it: a new one is made then and everybody signs in again.`,
    );
  }

  private get file(): string {
    return join(this.settings.storagePath, FILE_NAME);
  }
}

function newSecret(): string {
  return randomBytes(32).toString('hex');
}

function tokenKeyOf(secret: string): TokenKey {
  // A key of its own for tokens; its digest names it (RFC 7515 kid) and tells nothing about the secret.
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'holdfast token key v1', 32));
  return { kid: createHash('sha256').update(key).digest('hex').slice(0, 16), key: createSecretKey(key) };
}
