import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const SECRET_BYTES = 32;

/** 64 hex digits: 256 random bits, so a plain hash keeps them as safe as a slow one would. */
export function newClientSecret(): string {
  return randomBytes(SECRET_BYTES).toString('hex');
}

/** What is stored of a secret: SHA-256 of its bytes. */
export function clientSecretHash(secret: string): Buffer {
  return createHash('sha256').update(Buffer.from(secret, 'hex')).digest();
}

export function isSecretOf(secretHash: Buffer, secret: string): boolean {
  return timingSafeEqual(secretHash, clientSecretHash(secret));
}
