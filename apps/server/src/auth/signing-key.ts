import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { loadOrCreateSecret } from '../config/secret-file';
import { isWellKnownSecret, MIN_SECRET_KEY_CHARACTERS } from '../config/secret-rules';
import { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';

const FILE_NAME = 'secret-key';

/** The key that signs tokens, from SECRET_KEY or else from a generated one kept beside the storage. */
@Injectable()
export class SigningKey implements OnApplicationBootstrap {
  private loaded: { kid: string; key: Buffer } | null = null;

  constructor(private readonly settings: ServerSettings) {}

  /** At bootstrap, when the storage has proven to be the right one: nothing is written beside a missing mount. */
  async onApplicationBootstrap(): Promise<void> {
    const secret = this.settings.secretKey ?? (await this.loadFile());
    // A key of its own for tokens; its digest names it (RFC 7515 kid) and tells nothing about the secret.
    const key = Buffer.from(hkdfSync('sha256', secret, '', 'holdfast token key v1', 32));
    const kid = createHash('sha256').update(key).digest('hex').slice(0, 16);
    this.loaded = { kid, key };
  }

  get current(): { readonly kid: string; readonly key: Buffer } {
    if (this.loaded === null) throw new Error('the signing key is not loaded yet');
    return this.loaded;
  }

  private async loadFile(): Promise<string> {
    const file = join(this.settings.storagePath, FILE_NAME);
    const secret = await loadOrCreateSecret(file, () => randomBytes(32).toString('hex'));
    if (secret.length < MIN_SECRET_KEY_CHARACTERS || isWellKnownSecret(secret)) {
      throw new StartError(
        `${file} holds no usable key. Bring it back from a copy, or delete it: a new one is made then and everybody signs in again.`,
      );
    }
    return secret;
  }
}
