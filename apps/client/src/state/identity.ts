import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KillPoints } from '#common';
import { errorCode } from '../system/error-code';
import { makeStateDirectory, ReservedFile, writeDurably } from './durable-write';

/** Who this agent is to which server. */
export interface Identity {
  readonly serverUrl: string;
  readonly clientId: string;
  readonly clientName: string;
  /** 64 hex digits; never printed. */
  readonly secret: string;
  /** Certificates of the server that count, whatever a later start is told or not told; empty: what the system trusts. */
  readonly fingerprints: readonly string[];
}

/** The file is there and holds no identity: the machine is to be enrolled again, which replaces it. */
export class DamagedIdentityError extends Error {
  constructor(readonly path: string) {
    super(`${path} is damaged: enrol this machine again (holdfast enroll), which replaces it`);
    this.name = 'DamagedIdentityError';
  }
}

/** Larger than any: names and URLs are short, and there are few fingerprints. */
const ROOM_BYTES = 16 * 1024;

/** Null before the agent was enrolled. Throws when the file cannot be read, and DamagedIdentityError. */
export function loadIdentity(stateDir: string): Identity | null {
  const path = identityPath(stateDir);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
  return parseIdentity(text, path);
}

/** Readable by the owner only (0600). */
export function saveIdentity(stateDir: string, identity: Identity, killPoints: KillPoints): void {
  makeStateDirectory(stateDir);
  writeDurably(identityPath(stateDir), textOf(identity), 'state.identity', killPoints);
}

/**
 * Runs `obtain`, which asks the server for an identity, and saves that. The room for it is taken before: the server replaces
 * the old secret and spends the code, so a new secret that cannot be kept would cut the machine off.
 */
export async function obtainAndSave(
  stateDir: string,
  obtain: () => Promise<Identity>,
  killPoints: KillPoints,
): Promise<Identity> {
  makeStateDirectory(stateDir);
  const file = ReservedFile.create(identityPath(stateDir), ROOM_BYTES);
  try {
    const identity = await obtain();
    file.write(textOf(identity), 'state.identity', killPoints);
    return identity;
  } finally {
    file.release();
  }
}

function textOf(identity: Identity): string {
  return `${JSON.stringify(identity, null, 2)}\n`;
}

function identityPath(stateDir: string): string {
  return join(stateDir, 'identity.json');
}

function parseIdentity(text: string, path: string): Identity {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Falls through to the one error below, which does not quote the text: it may hold the secret.
  }
  // Agents of before kept no fingerprints.
  const {
    serverUrl,
    clientId,
    clientName,
    secret,
    fingerprints = [],
  } = (value ?? {}) as Partial<Record<keyof Identity, unknown>>;
  const isUsable =
    typeof serverUrl === 'string' &&
    typeof clientId === 'string' &&
    typeof clientName === 'string' &&
    typeof secret === 'string' &&
    isListOfText(fingerprints);
  if (!isUsable) throw new DamagedIdentityError(path);
  return { serverUrl, clientId, clientName, secret, fingerprints };
}

function isListOfText(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
