import { Injectable } from '@nestjs/common';
import type { AgentGrants, PingAnswer, PingRequest, Refusal } from '#common';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { silenceMs } from './client-status';
import { ClientsRepository } from './clients.repository';

/** What an agent told of itself, as it rests in `clients.told`. */
export interface ToldByAgent {
  readonly capabilities: readonly string[];
  readonly grants: AgentGrants;
  readonly refusals: readonly Refusal[];
  readonly intervalSeconds: number;
}

export function toldByAgent(told: string | null): ToldByAgent | null {
  return told === null ? null : (JSON.parse(told) as ToldByAgent);
}

/** Signs of life. */
@Injectable()
export class ClientPing {
  constructor(
    private readonly database: Database,
    private readonly clients: ClientsRepository,
  ) {}

  /** `also`: what else the ping tells, in the same write. */
  async ping(clientNo: number, request: PingRequest, also: (tx: Sql) => Promise<void>): Promise<PingAnswer> {
    const { capabilities, grants, refusals, intervalSeconds } = request;
    const told: ToldByAgent = { capabilities, grants, refusals, intervalSeconds };
    return this.database.write('clients.seen', async (tx) => {
      const serverTimeMs = await tx.now();
      const clockAheadMs = request.clockMs - serverTimeMs;
      const state = await this.clients.ping(tx, clientNo, {
        hostName: request.hostName,
        platform: request.platform,
        osVersion: request.osVersion ?? null,
        agentVersion: request.agentVersion,
        told: JSON.stringify(told),
        clockAheadMs,
        configSeen: request.configVersion,
        silenceMs: silenceMs(intervalSeconds),
      });
      if (state === undefined) throw new DomainError('not-found', 'The client is gone.');
      await also(tx);
      return { serverTimeMs, clockAheadMs, ...state };
    });
  }
}
