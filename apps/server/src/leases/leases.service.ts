import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { LeasesRepository } from './leases.repository';

/** Jobs that one server at a time does, however many there are: a row says whose it is, and until when. */
@Injectable()
export class Leases {
  private readonly holder = randomUUID();

  constructor(
    private readonly database: Database,
    private readonly leases: LeasesRepository,
  ) {}

  /** False while another server has it. Taken again by its holder, it lasts longer. */
  take(name: string, forMs: number): Promise<boolean> {
    return this.database.write('leases.take', (tx) => this.takeIn(tx, name, forMs));
  }

  /** Ahead of its end; nothing when it is another's by now. */
  release(name: string): Promise<void> {
    return this.database.write('leases.take', (tx) => this.releaseIn(tx, name));
  }

  /** In the caller's transaction: the lease and what he writes beside it stand or fall together. */
  async takeIn(tx: Sql, name: string, forMs: number): Promise<boolean> {
    const now = await tx.now();
    return this.leases.take(tx, { name, holder: this.holder, now, until: now + forMs });
  }

  releaseIn(tx: Sql, name: string): Promise<void> {
    return this.leases.release(tx, name, this.holder);
  }
}
