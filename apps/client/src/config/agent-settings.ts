import { isAbsolute } from 'node:path';
import { killPointsFrom } from '#common';
import { stateDirectory } from './state-directory';

/** What the agent's environment sets; everything else is an argument of a command. */
export interface AgentSettings {
  /** HOLDFAST_STATE_DIR: the client's secret and the index files. Absolute. */
  readonly stateDir: string;
  /** HOLDFAST_RETRY_SECONDS: how long a call waits for a server that is away. */
  readonly retryForMs: number;
  /** HOLDFAST_COMPRESSION_LEVEL: zstd level of new blocks, 0 (stored) to 19. */
  readonly compressionLevel: number;
  /** HOLDFAST_KILL_AT, for tests: see killPointsFrom. */
  readonly killAt: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the settings. Throws one error that names every bad setting and why, never its value. */
export function loadAgentSettings(env: Environment = process.env): AgentSettings {
  const problems: string[] = [];
  const settings: AgentSettings = {
    stateDir: parseStateDir(env, problems),
    retryForMs: parseNumber(env, 'HOLDFAST_RETRY_SECONDS', { otherwise: 300, max: 86_400 }, problems) * 1000,
    compressionLevel: parseNumber(env, 'HOLDFAST_COMPRESSION_LEVEL', { otherwise: 3, max: 19 }, problems),
    killAt: parseKillAt(env, problems),
  };
  if (problems.length > 0) throw new Error(`bad settings: ${problems.join('; ')}`);
  return settings;
}

function parseStateDir(env: Environment, problems: string[]): string {
  const directory = stateDirectory(env);
  if (!isAbsolute(directory)) problems.push('HOLDFAST_STATE_DIR must be an absolute path');
  return directory;
}

function parseNumber(
  env: Environment,
  name: string,
  range: { otherwise: number; max: number },
  problems: string[],
): number {
  const text = valueOf(env, name);
  if (text === undefined) return range.otherwise;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= range.max) return value;
  problems.push(`${name} must be a whole number from 0 to ${range.max}`);
  return range.otherwise;
}

function parseKillAt(env: Environment, problems: string[]): string | undefined {
  const text = valueOf(env, 'HOLDFAST_KILL_AT');
  try {
    killPointsFrom(text);
  } catch {
    problems.push('HOLDFAST_KILL_AT names no kill point');
  }
  return text;
}

/** An empty variable counts as unset, as compose files write it. */
function valueOf(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === '' ? undefined : value;
}
