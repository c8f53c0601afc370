import type { ClientDetail, TaskDetail } from '#common';
import { mayByRole } from '../auth/role-matrix';
import { toldByAgent } from '../clients/client-ping.service';
import { clientStatus, isOnline } from '../clients/client-status';
import type { ClientWithOwner } from '../clients/clients.service';
import type { PersonIdentity } from '../users/person-identity';

/** Pure: a client as a person may see it. */
export function clientDetail(
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
    newestBytes: present.reduce((sum, { newestBytes }) => sum + (newestBytes ?? 0), 0),
    preCommandCount: seesDetails ? (JSON.parse(client.pre_commands ?? '[]') as unknown[]).length : null,
    secretSinceMs: client.secret_at,
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
