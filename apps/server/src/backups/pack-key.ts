import { randomUUID } from 'node:crypto';

/** Random, so that no pack ever has the key of another, and spread over 256 directories. */
export function newPackKey(): string {
  const id = randomUUID();
  return `packs/${id.slice(0, 2)}/${id}`;
}
