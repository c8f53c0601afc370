import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { PageSessionDetail } from './page-session';
import { Database } from '../database/database';
import type { User } from '../users/users.service';
import { type Counting, type LivePageSession, PageSessionsRepository } from './page-sessions.repository';

const DAY_MS = 86_400_000;
/** However much it is used. */
const LONGEST_MS = 30 * DAY_MS;
/** Without a page asked for. */
const IDLE_MS = DAY_MS;
/** Kept by the minute: not every page is a write. */
const SEEN_STEP_MS = 60_000;
const MAX_BROWSER_CHARACTERS = 300;

export interface Browser {
  readonly address: string | null;
  /** As it names itself. */
  readonly browser: string | null;
}

export interface FoundSession {
  readonly session: LivePageSession;
  /** What the cookie is to hold from now on; null: what it holds. */
  readonly renewed: string | null;
}

/** Sign-ins of browsers: rows behind a random cookie of which only the hash is kept. */
@Injectable()
export class PageSessions {
  constructor(
    private readonly database: Database,
    private readonly sessions: PageSessionsRepository,
  ) {}

  /** For who has just proven his password. Returns what the cookie is to hold; always another value than before. */
  async begin(user: User, { address, browser }: Browser): Promise<string> {
    const token = newToken();
    await this.database.write('sign-in.attempt', async (tx) => {
      const now = await tx.now();
      await this.sessions.removeOver(tx, counting(now));
      await this.sessions.insert(tx, {
        token_hash: hashOf(token),
        user_no: user.no,
        role: user.role,
        session_epoch: user.session_epoch,
        signed_in_at: now,
        expires_at: now + LONGEST_MS,
        address,
        browser: browser?.slice(0, MAX_BROWSER_CHARACTERS) ?? null,
      });
    });
    return token;
  }

  /** The session of a cookie; another role than when it began gives it another token. */
  async find(token: string): Promise<FoundSession | null> {
    const hash = hashOf(token);
    const { session, now } = await this.database.read(async (sql) => {
      const now = await sql.now();
      return { now, session: await this.sessions.findLive(sql, hash, counting(now)) };
    });
    if (session === undefined) return null;
    if (session.role !== session.current_role) {
      return { session, renewed: await this.renew(hash, session.current_role) };
    }
    if (now - session.seen_at >= SEEN_STEP_MS) {
      await this.database.write('sign-in.attempt', (tx) => this.sessions.markSeen(tx, session.no, now));
    }
    return { session, renewed: null };
  }

  /** Those of these cookies that still are what they were: not signed out, ended or disabled, nor of another role since. */
  async among(tokens: readonly string[]): Promise<Set<string>> {
    const hashes = new Map(tokens.map((token) => [hashOf(token).toString('hex'), token]));
    const live = await this.database.read(async (sql) =>
      this.sessions.liveAmong(sql, [...new Set(tokens)].map(hashOf), counting(await sql.now())),
    );
    return new Set(live.map((hash) => hashes.get(hash.toString('hex')) ?? ''));
  }

  async end(token: string): Promise<void> {
    await this.database.write('sign-in.attempt', (tx) => this.sessions.remove(tx, hashOf(token)));
  }

  /** Those of a user, the last used first. */
  async list(userId: string): Promise<PageSessionDetail[]> {
    const rows = await this.database.read(async (sql) =>
      this.sessions.listLive(sql, userId, counting(await sql.now())),
    );
    return rows.map(({ signed_in_at: signedInMs, seen_at: seenMs, address, browser }) => ({
      signedInMs,
      seenMs,
      address,
      browser,
    }));
  }

  private async renew(from: Buffer, role: LivePageSession['role']): Promise<string | null> {
    const token = newToken();
    const isOurs = await this.database.write('sign-in.attempt', (tx) =>
      this.sessions.renew(tx, { from, to: hashOf(token), role }),
    );
    // Another page of the same browser was faster: it was given the new token.
    return isOurs ? token : null;
  }
}

export function newToken(): string {
  return randomBytes(32).toString('hex');
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function counting(now: number): Counting {
  return { now, usedSince: now - IDLE_MS };
}
