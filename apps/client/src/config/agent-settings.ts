import { isAbsolute } from 'node:path';
import { killPointsFrom, unknownSettings } from '#common';
import { type Environment, SettingReader } from './setting-reader';
import { stateDirectory } from './state-directory';

export const RETRY_SECONDS = 300;
export const LOOKUP_RETRY_SECONDS = 15;

/** What the agent's environment sets for commands and service alike; everything else of a command is an argument. */
export interface AgentSettings {
  /** HOLDFAST_STATE_DIR: the client's secret and the index files. Absolute. */
  readonly stateDir: string;
  /** HOLDFAST_RETRY_SECONDS: how long a call waits for a server that is away. */
  readonly retryForMs: number;
  /** The same for commands that answer a question: shorter, unless it was set. */
  readonly lookupRetryForMs: number;
  /** HOLDFAST_COMPRESSION_LEVEL: zstd level of new blocks, 0 (stored) to 19. */
  readonly compressionLevel: number;
  /** SERVER_CA_FILE: certificates (PEM) that the server's is checked against, beside those of the system. */
  readonly caFile: string | null;
  /**
   * SERVER_CERT_FINGERPRINT: the server's own certificate must be one of these; 64 lower-case hex digits each. null: not set, those
   * of the enrolment count. Empty: it said `none`.
   */
  readonly fingerprints: readonly string[] | null;
  /** ALLOW_INSECURE_HTTP: plain http also to public addresses. */
  readonly allowInsecureHttp: boolean;
  /** HOLDFAST_KILL_AT, for tests: see killPointsFrom. */
  readonly killAt: string | undefined;
}

/**
 * Reads the settings of a command. Throws SettingsError, which names every bad setting and why, never its value. A shell may hold
 * BACKUP_ and the like of its own, so of unknown names only those that begin with HOLDFAST_ are told.
 */
export function loadAgentSettings(env: Environment = process.env): AgentSettings {
  const reader = new SettingReader(env);
  for (const problem of unknownSettings(env)) if (problem.startsWith('HOLDFAST_')) reader.refuse(problem);
  const settings = readAgentSettings(reader);
  reader.assertNoProblems();
  return settings;
}

export function readAgentSettings(reader: SettingReader): AgentSettings {
  const stateDir = readStateDir(reader);
  const retrySeconds = reader.integer('HOLDFAST_RETRY_SECONDS', { min: 0, max: 86_400, otherwise: null });
  return {
    stateDir,
    retryForMs: (retrySeconds ?? RETRY_SECONDS) * 1000,
    lookupRetryForMs: (retrySeconds ?? LOOKUP_RETRY_SECONDS) * 1000,
    compressionLevel: reader.integer('HOLDFAST_COMPRESSION_LEVEL', { min: 0, max: 19, otherwise: 3 }),
    caFile: reader.path('SERVER_CA_FILE'),
    fingerprints: readFingerprints(reader),
    allowInsecureHttp: reader.flag('ALLOW_INSECURE_HTTP', false),
    killAt: readKillAt(reader),
  };
}

function readStateDir(reader: SettingReader): string {
  const directory = stateDirectory(reader.env);
  if (!isAbsolute(directory)) reader.refuse('HOLDFAST_STATE_DIR must be an absolute path');
  return directory;
}

function readFingerprints(reader: SettingReader): string[] | null {
  const text = reader.text('SERVER_CERT_FINGERPRINT');
  if (text === null) return null;
  if (text.trim() === 'none') return [];
  // As openssl and browsers show them: with colons, in capitals.
  const items = reader.list('SERVER_CERT_FINGERPRINT', ',').map((item) => item.replaceAll(':', '').toLowerCase());
  if (items.every((item) => /^[0-9a-f]{64}$/.test(item))) return items;
  reader.refuse('SERVER_CERT_FINGERPRINT must hold SHA-256 fingerprints (64 hex digits), with commas between, or none');
  return [];
}

function readKillAt(reader: SettingReader): string | undefined {
  const text = reader.text('HOLDFAST_KILL_AT') ?? undefined;
  try {
    killPointsFrom(text);
  } catch {
    reader.refuse('HOLDFAST_KILL_AT names no kill point');
  }
  return text;
}
