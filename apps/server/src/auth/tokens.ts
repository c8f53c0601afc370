import { createHash, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { Clock } from '../config/clock';
import { DomainError } from '../http/domain-error';
import { SigningKey } from './signing-key';

/** Whom a token is for; one kind is worth nothing where the other is asked for. */
export type Audience = 'people' | 'agents';

export interface TokenClaims {
  /** UUID of the user or client. */
  subject: string;
  /** {@link credentialStamp} at the time of signing. */
  stamp: string;
}

/** Claims of a token that was checked. */
export interface SignedClaims extends TokenClaims {
  /** When it was signed: when the password was given. */
  issuedAtMs: number;
}

const ALGORITHM = 'HS256';
const ISSUER = 'holdfast';
/** More than any token of ours; what is longer is not worth parsing. */
const MAX_TOKEN_CHARACTERS = 2_048;

/** Ties a token to the password or secret it was given for: when that changes, the token ends. Not reversible. */
export function credentialStamp(credentialHash: string | Buffer): string {
  return createHash('sha256').update('holdfast token\0').update(credentialHash).digest('base64url').slice(0, 22);
}

/** Signs and checks JWTs: HS256 and nothing else, one audience each, the key named by `kid`. */
@Injectable()
export class Tokens {
  constructor(
    private readonly jwt: JwtService,
    private readonly signingKey: SigningKey,
    private readonly clock: Clock,
  ) {}

  sign(audience: Audience, claims: TokenClaims, lifetimeSeconds: number): string {
    const { kid, key } = this.signingKey.current;
    const iat = this.nowSeconds();
    return this.jwt.sign(
      { sub: claims.subject, stamp: claims.stamp, iat, exp: iat + lifetimeSeconds },
      { secret: asSecret(key), algorithm: ALGORITHM, keyid: kid, audience, issuer: ISSUER },
    );
  }

  /** What an unchecked token says of itself; null: nothing that is known. */
  audienceOf(token: string): Audience | null {
    if (token.length > MAX_TOKEN_CHARACTERS) return null;
    try {
      const { aud } = this.jwt.decode<{ aud?: unknown }>(token);
      return aud === 'people' || aud === 'agents' ? aud : null;
    } catch {
      return null;
    }
  }

  /** Throws `unauthenticated` for whatever is not a token of ours, for this audience, signed by a key of ours, not expired. */
  verify(audience: Audience, token: string): SignedClaims {
    try {
      if (token.length > MAX_TOKEN_CHARACTERS) throw new Error('too long');
      const { kid, key } = this.signingKey.named(this.keyIdOf(token));
      const { header, payload } = this.jwt.verify<{ header: Record<string, unknown>; payload: unknown }>(token, {
        secret: asSecret(key),
        algorithms: [ALGORITHM],
        audience,
        issuer: ISSUER,
        clockTimestamp: this.nowSeconds(),
        complete: true,
      });
      if (header['kid'] !== kid) throw new Error('signed by another key');
      return claimsOf(payload);
    } catch (error) {
      throw new DomainError('unauthenticated', 'The token is invalid or has expired; sign in again.', { cause: error });
    }
  }

  private keyIdOf(token: string): unknown {
    const decoded: unknown = this.jwt.decode(token, { complete: true });
    if (typeof decoded !== 'object' || decoded === null || !('header' in decoded)) return undefined;
    return (decoded.header as Record<string, unknown>)['kid'];
  }

  private nowSeconds(): number {
    return Math.floor(this.clock.now() / 1_000);
  }
}

/**
 * jsonwebtoken takes a KeyObject, as it says; @nestjs/jwt hands it on but its types leave it out. Of bytes it would first try, for
 * every token, to make a public key (measured: 0.17 ms a request).
 */
function asSecret(key: KeyObject): Buffer {
  return key as unknown as Buffer;
}

function claimsOf(payload: unknown): SignedClaims {
  if (typeof payload !== 'object' || payload === null) throw new Error('no claims');
  const { sub, stamp, exp, iat } = payload as Record<string, unknown>;
  // jsonwebtoken takes a token without `exp` for one that never ends.
  if (typeof sub !== 'string' || typeof stamp !== 'string' || typeof exp !== 'number' || typeof iat !== 'number')
    throw new Error('claims missing');
  return { subject: sub, stamp, issuedAtMs: iat * 1_000 };
}
