import { Injectable } from '@nestjs/common';
import type { ClientDetail, ClientsAnswer, ClientsQuery, TaskDetail } from '#common';
import { mayByRole } from '../auth/role-matrix';
import { TaskDefinitionsService } from '../backups/task-definitions.service';
import { toldByAgent } from '../clients/client-ping.service';
import { clientStatus, isOnline } from '../clients/client-status';
import { ClientsService, type ClientWithOwner } from '../clients/clients.service';
import { Database } from '../database/database';
import type { PersonIdentity } from '../users/person-identity';

/** How the clients are, for who may know of them. */
@Injectable()
export class FleetService {
  constructor(
    private readonly database: Database,
    private readonly clients: ClientsService,
    private readonly tasks: TaskDefinitionsService,
  ) {}

  /** Deleted ones only when they are asked for. */
  async list(person: PersonIdentity, query: ClientsQuery): Promise<ClientsAnswer> {
    const clients = await this.clients.list(person);
    const tasks = await this.tasks.listPresent(person);
    const tasksOf = Map.groupBy(tasks, ({ clientId }) => clientId);
    const nowMs = await this.database.now();
    const details = clients.map((client) => detailOf(client, { tasks: tasksOf.get(client.id) ?? [], nowMs, person }));
    return {
      clients: details.filter(
        ({ status, owner }) =>
          (query.status === undefined ? status !== 'deleted' : status === query.status) &&
          (query.owner === undefined || owner.toLowerCase() === query.owner.normalize('NFC').toLowerCase()),
      ),
    };
  }

  async get(person: PersonIdentity, clientId: string): Promise<ClientDetail> {
    const client = await this.clients.get({ kind: 'person', person }, clientId);
    const tasks = await this.tasks.listOfClient(person, client.no);
    return detailOf(client, { tasks, nowMs: await this.database.now(), person });
  }
}

function detailOf(
  client: ClientWithOwner,
  { tasks, nowMs, person }: { tasks: readonly TaskDetail[]; nowMs: number; person: PersonIdentity },
): ClientDetail {
  const present = tasks.filter(({ deletedMs }) => deletedMs === null);
  const isLate = present.some((task) => task.isLate);
  const told = toldByAgent(client.told);
  const seesDetails = mayByRole(person.role, 'see-details');
  return {
    id: client.id,
    name: client.name,
    owner: client.owner_name,
    status: clientStatus(client, { nowMs, isLate }),
    isOnline: isOnline(client, nowMs),
    isLate,
    hostName: client.host_name,
    platform: client.platform,
    osVersion: client.os_version,
    agentVersion: client.agent_version,
    capabilities: [...(told?.capabilities ?? [])],
    grants: seesDetails ? (told?.grants ?? null) : null,
    refusals: seesDetails ? [...(told?.refusals ?? [])] : [],
    labels: JSON.parse(client.labels ?? '[]') as string[],
    lastPingMs: client.last_ping_at,
    lastBackupMs: largest(present.map(({ lastGoodMs }) => lastGoodMs)),
    nextDueMs: smallest(present.map(({ nextDueMs }) => nextDueMs)),
    clockAheadMs: client.clock_ahead_ms,
    configVersion: client.config_version,
    configSeen: client.config_seen,
    createdMs: client.created_at,
    deletedMs: client.deleted_at,
    restorableUntilMs: client.purge_after,
  };
}

function largest(times: readonly (number | null)[]): number | null {
  return times.reduce((most, time) => (time !== null && (most === null || time > most) ? time : most), null);
}

function smallest(times: readonly (number | null)[]): number | null {
  return times.reduce((least, time) => (time !== null && (least === null || time < least) ? time : least), null);
}
