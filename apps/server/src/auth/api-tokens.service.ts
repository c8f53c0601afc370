import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { CreateTokenAnswer, CreateTokenRequest, TokenDetail, TokenScope, TokensAnswer } from '#common';
import { actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { SettledConfig } from '../config-export/settled-config';
import type { ApiTokenRow } from '../database/entities/fleet.entities';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { assertNewName } from '../http/new-name';
import type { PersonIdentity } from '../users/person-identity';
import { ApiTokensRepository } from './api-tokens.repository';
import { FreshSignIn } from './fresh-sign-in';

/** Tells such a token from a JWT, and lets scanners of repositories find one that was published. */
const PREFIX = 'holdfast_';
const SHAPE = /^holdfast_[0-9a-f]{64}$/;
const MAX_TOKENS_PER_USER = 100;
const DAY_MS = 86_400_000;
/** When a token was used last is kept by the minute: not every request is a write. */
const USED_STEP_MS = 60_000;

/** Tokens for programs: random, kept as a hash, within scopes and within what their user may. */
@Injectable()
export class ApiTokensService {
  constructor(
    private readonly database: Database,
    private readonly tokens: ApiTokensRepository,
    private readonly audit: AuditService,
    private readonly freshSignIn: FreshSignIn,
    private readonly config: SettledConfig,
  ) {}

  static isApiToken(text: string): boolean {
    return text.startsWith(PREFIX);
  }

  async create(person: PersonIdentity, request: CreateTokenRequest): Promise<CreateTokenAnswer> {
    this.freshSignIn.assert(person, 'Making an API token');
    assertNewName(request.name);
    const bytes = randomBytes(32);
    const id = randomUUID();
    return this.database.write('users.change', async (tx) => {
      if ((await this.tokens.countOfUser(tx, person.userNo)) >= MAX_TOKENS_PER_USER) {
        throw new DomainError('conflict', `You have ${MAX_TOKENS_PER_USER} tokens already; revoke some first.`);
      }
      const now = await tx.now();
      const expires = request.expiresInDays === undefined ? null : now + request.expiresInDays * DAY_MS;
      const { name, scopes } = request;
      await this.tokens.insert(tx, {
        id,
        user_no: person.userNo,
        name,
        token_hash: hashOf(bytes),
        scopes: JSON.stringify(scopes),
        expires_at: expires,
      });
      const details = { scopes, expiresMs: expires };
      await this.audit.record(tx, actorOf(person), {
        action: 'tokens.create',
        target: { kind: 'token', id, name },
        details,
      });
      const detail = { id, name, scopes, createdMs: now, expiresMs: expires, lastUsedMs: null };
      return { ...detail, token: `${PREFIX}${bytes.toString('hex')}` };
    });
  }

  async list(userNo: number): Promise<TokensAnswer> {
    const rows = await this.database.read((sql) => this.tokens.listOfUser(sql, userNo));
    return { tokens: rows.map(detailOf) };
  }

  async revoke(person: PersonIdentity, id: string): Promise<void> {
    await this.database.write('users.change', async (tx) => {
      const token = await this.tokens.revoke(tx, { userNo: person.userNo, id, now: await tx.now() });
      if (token === undefined) throw new DomainError('not-found', 'You have no token of this id.');
      const target = { kind: 'token', id, name: token.name } as const;
      await this.audit.record(tx, actorOf(person), { action: 'tokens.revoke', target });
    });
    await this.config.settle();
  }

  async revokeAll(tx: Sql, userNo: number): Promise<number> {
    return this.tokens.revokeAll(tx, userNo, await tx.now());
  }

  /** Whose token it is; undefined for what is none, or no more. */
  async find(text: string): Promise<{ userId: string; scopes: readonly TokenScope[] } | undefined> {
    if (!SHAPE.test(text)) return undefined;
    const hash = hashOf(Buffer.from(text.slice(PREFIX.length), 'hex'));
    const { token, now } = await this.database.read(async (sql) => {
      const time = await sql.now();
      return { token: await this.tokens.findUsable(sql, hash, time), now: time };
    });
    if (token === undefined) return undefined;
    if (now - (token.last_used_at ?? 0) >= USED_STEP_MS) {
      await this.database.write('users.change', (tx) => this.tokens.markUsed(tx, token.no, now));
    }
    return { userId: token.user_id, scopes: JSON.parse(token.scopes) as TokenScope[] };
  }
}

function hashOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function detailOf(row: ApiTokenRow): TokenDetail {
  return {
    id: row.id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as TokenScope[],
    createdMs: row.created_at,
    expiresMs: row.expires_at,
    lastUsedMs: row.last_used_at,
  };
}
