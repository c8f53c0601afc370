import type { ClientStatus } from '#common';
import type { ClientRow } from '../database/entities/identity.entities';

/** Pings that may be missing before a client counts as offline, and the least time that means. */
const MISSING_PINGS = 3;
const MIN_SILENCE_MS = 15_000;

type Seen = Pick<ClientRow, 'last_ping_at' | 'last_seen_at' | 'online_until' | 'state' | 'deleted_at'>;

/** How long a client counts as online that pings at this interval. */
export function silenceMs(intervalSeconds: number): number {
  return Math.max(MISSING_PINGS * intervalSeconds * 1_000, MIN_SILENCE_MS);
}

export function isOnline(client: Seen, nowMs: number): boolean {
  if (client.online_until === null || client.state !== 'active' || client.deleted_at !== null) return false;
  return nowMs <= client.online_until;
}

/** Late comes before online and offline: a machine that is off is nobody's worry until a backup is due. */
export function clientStatus(client: Seen, at: { readonly nowMs: number; readonly isLate: boolean }): ClientStatus {
  if (client.deleted_at !== null) return 'deleted';
  if (client.state === 'revoked') return 'revoked';
  if (client.last_ping_at === null && client.last_seen_at === null) return 'never';
  if (at.isLate) return 'late';
  return isOnline(client, at.nowMs) ? 'online' : 'offline';
}
