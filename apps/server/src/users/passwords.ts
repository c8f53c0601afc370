import { randomBytes } from 'node:crypto';
import { hash, verify, type Options } from '@node-rs/argon2';
import { Injectable, type OnModuleInit } from '@nestjs/common';

/** OWASP's second recommendation: 19 MiB, two passes, one lane. The variant is argon2id, the library's default. */
const COST: Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Hashes and checks passwords (argon2id, in the thread pool). */
@Injectable()
export class Passwords implements OnModuleInit {
  /** Checked when there is no user, so that an unknown name takes as long as a wrong password. */
  private dummyHash = '';

  async onModuleInit(): Promise<void> {
    this.dummyHash = await this.hash(randomBytes(32).toString('hex'));
  }

  hash(password: string): Promise<string> {
    return hash(password.normalize('NFC'), COST);
  }

  /** Never true for `null`, which stands for a user who does not exist. */
  async matches(passwordHash: string | null, password: string): Promise<boolean> {
    const isMatch = await verify(passwordHash ?? this.dummyHash, password.normalize('NFC'));
    return isMatch && passwordHash !== null;
  }
}
