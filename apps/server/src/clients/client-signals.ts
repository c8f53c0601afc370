import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';
import { ClientsRepository } from './clients.repository';

/** Wakes an agent that waits for commands, on whatever server it waits, when the change commits. */
@Injectable()
export class ClientSignals {
  constructor(private readonly clients: ClientsRepository) {}

  /** Of `config`: what GET config tells has changed. Of `commands`: there is something to run or to cancel. */
  async tell(tx: Sql, clientNo: number, what: 'config' | 'commands'): Promise<void> {
    const sequence = await this.clients.raiseSequence(tx, clientNo, { config: what === 'config' ? 1 : 0 });
    await tx.notify('commands', `${clientNo} ${sequence}`);
  }
}
