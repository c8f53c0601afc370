import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor';
import { AuditService, type AuditedChange } from '../audit/audit.service';
import type { SignInAttemptsRow } from '../database/entities/fleet.entities';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { accountName, addressName, codesName, delayMs, remainingFailures, type Throttled } from './sign-in-delay';
import { SignInThrottleRepository } from './sign-in-throttle.repository';

/** Whoever would wait longer is told to come again. */
const MAX_WAIT_MS = 10_000;
const KEPT_MS = 86_400_000;

export interface SignInAttempt {
  /** null: a machine with an enrolment code, which is nobody's account. Codes of an address are counted apart from its sign-ins. */
  readonly username: string | null;
  readonly address: string | null;
}

/**
 * Holds up who guesses passwords and enrolment codes, by account and by address, in the database, so that all servers count together. Attempts
 * of one address come one after the other; those for one account are each held up a few seconds at most, so that nobody
 * is locked out by what others try.
 */
@Injectable()
export class SignInThrottle {
  constructor(
    private readonly database: Database,
    private readonly attempts: SignInThrottleRepository,
    private readonly audit: AuditService,
  ) {}

  /** Resolves when the attempt may be looked at; `slow-down` when its address must wait longer than a request lasts. */
  async wait(attempt: SignInAttempt): Promise<void> {
    const waitMs = await this.reserve(attempt);
    if (waitMs > 0) await delay(waitMs);
  }

  /** Counts the failure and writes it down. */
  async failed(attempt: SignInAttempt, actor: Actor, change: AuditedChange): Promise<void> {
    await this.database.write('sign-in.attempt', async (tx) => {
      const now = await tx.now();
      await this.attempts.forgetBefore(tx, now - KEPT_MS);
      // In one order, so that two attempts never wait for each other.
      const { account, place } = namesOf(attempt);
      for (const name of [account, place]) {
        if (name === null) continue;
        const row = await this.attempts.lock(tx, name);
        await this.attempts.fail(tx, name, { kept: countOf(row, now), now });
      }
      await this.audit.record(tx, actor, change);
    });
  }

  /** The account's failures are over; those of the address, which may try many accounts, are not. */
  async succeeded({ username }: { readonly username: string }): Promise<void> {
    const name = accountName(username);
    const isKnown = await this.database.read(async (sql) => (await this.attempts.find(sql, name)) !== undefined);
    if (isKnown) await this.database.write('sign-in.attempt', (tx) => this.attempts.forget(tx, name));
  }

  /** For who was helped back in by the host. */
  async forgive(tx: Sql, username: string): Promise<void> {
    await this.attempts.forget(tx, accountName(username));
  }

  private async reserve(attempt: SignInAttempt): Promise<number> {
    const { account, place } = namesOf(attempt);
    const [accountMs, placeMs] = await this.database.read(async (sql) => {
      const now = await sql.now();
      return [
        await this.delayOf(sql, 'account', account, now),
        await this.delayOf(sql, 'address', place, now),
      ] as const;
    });
    // Most sign-ins are nobody's second try: no write for them.
    if (place === null || placeMs === 0) return accountMs;
    const what = attempt.username === null ? 'enrolment codes' : 'sign-ins';
    return Math.max(accountMs, await this.reserveSlot(place, what));
  }

  private async delayOf(sql: Sql, kind: Throttled, name: string | null, now: number): Promise<number> {
    return name === null ? 0 : delayMs(kind, countOf(await this.attempts.find(sql, name), now));
  }

  private reserveSlot(name: string, what: string): Promise<number> {
    return this.database.write('sign-in.attempt', async (tx) => {
      const now = await tx.now();
      const row = await this.attempts.lock(tx, name);
      const slot = Math.max(now, row?.free_at ?? now);
      if (slot - now > MAX_WAIT_MS) {
        const retryAfterSeconds = Math.ceil((slot - now) / 1_000);
        throw new DomainError('slow-down', `Too many ${what} went wrong; try again in ${retryAfterSeconds} s.`, {
          details: { retryAfterSeconds },
        });
      }
      await this.attempts.setFreeAt(tx, name, slot + delayMs('address', countOf(row, now)));
      return slot - now;
    });
  }
}

function namesOf({ username, address }: SignInAttempt): { account: string | null; place: string | null } {
  if (username === null) return { account: null, place: address === null ? null : codesName(address) };
  return { account: accountName(username), place: address === null ? null : addressName(address) };
}

function countOf(row: SignInAttemptsRow | undefined, now: number): number {
  return row === undefined ? 0 : remainingFailures(row.failures, now - row.failed_at);
}
