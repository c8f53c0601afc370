import { randomBytes } from 'node:crypto';
import { hash, verify, type Options } from '@node-rs/argon2';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DomainError } from '../http/domain-error';

/** OWASP's second recommendation: 19 MiB, two passes, one lane. The variant is argon2id, the library's default. */
const COST: Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** At once: the thread pool, four threads, also serves files and compression, which must not wait for who signs in. */
const MAX_AT_WORK = 2;
/** About half a second's work. */
const MAX_WAITING = 32;

/**
 * Hashes and checks passwords (argon2id, in the thread pool). Anybody may ask for that: it is done for a few at a time,
 * and whoever comes when too many wait already is refused with `unavailable`.
 */
@Injectable()
export class Passwords implements OnModuleInit {
  /** Checked when there is no user, so that an unknown name takes as long as a wrong password. */
  private dummyHash = '';
  private atWork = 0;
  private readonly waiting: (() => void)[] = [];

  async onModuleInit(): Promise<void> {
    this.dummyHash = await this.hash(randomBytes(32).toString('hex'));
  }

  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(password.normalize('NFC'), COST));
  }

  /** Never true for `null`, which stands for a user who does not exist. */
  async matches(passwordHash: string | null, password: string): Promise<boolean> {
    const isMatch = await this.inTurn(() => verify(passwordHash ?? this.dummyHash, password.normalize('NFC')));
    return isMatch && passwordHash !== null;
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.atWork < MAX_AT_WORK) this.atWork += 1;
    else await this.wait();
    try {
      return await work();
    } finally {
      // Whoever waits takes over the place; it is not free in between.
      const next = this.waiting.shift();
      if (next === undefined) this.atWork -= 1;
      else next();
    }
  }

  private wait(): Promise<void> {
    if (this.waiting.length >= MAX_WAITING) {
      throw new DomainError('unavailable', 'Too many people are signing in at this moment; try again soon.');
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
