import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { unknownSettings } from '#common';
import { InvalidError, parseSchedule, type Schedule } from '#engine';
import { type AgentSettings, readAgentSettings } from './agent-settings';
import { parseServerAddress } from './server-address';
import { type Environment, SettingReader } from './setting-reader';

/** How the service proves to the server for whom it acts, before it has a secret of its own. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'code'; readonly code: string };

/** What a server may make this agent do. Granted here and nowhere else. */
interface Grants {
  /** ALLOW_REMOTE_COMMANDS: commands that were defined on the server. */
  readonly remoteCommands: boolean;
  /** ALLOWED_PATHS: bounds the paths of tasks; null: MONITORED_PATHS, as they are or as the page set them. */
  readonly allowedPaths: readonly string[] | null;
}

/** The configuration page. */
export interface PageSettings {
  /** CLIENT_UI_ENABLED. When false, no port is opened. */
  readonly isEnabled: boolean;
  /** CLIENT_UI_PORT; 0 lets the system choose. */
  readonly port: number;
  /** CLIENT_UI_HOST: the address it is bound to. Default: loopback, in a container all. */
  readonly host: string;
  /** CLIENT_UI_ALLOWED_HOSTS: names by which browsers may call it, beside loopback's. */
  readonly allowedHosts: readonly string[];
}

/** All settings of the agent as a service (`holdfast` without a command). */
export interface ServiceSettings extends AgentSettings {
  readonly serverUrl: string | null;
  readonly credentials: Credentials | null;
  readonly clientName: string | null;
  readonly monitoredPaths: readonly string[];
  /** PRE_COMMANDS: the machine's own, before each run of the first task; they need no grant. */
  readonly preCommands: readonly string[];
  /** COMMAND_ENVIRONMENT: names of this process's variables that commands see, beside PATH and its like. */
  readonly commandEnvironment: readonly string[];
  /** Of the first task: BACKUP_SCHEDULE or BACKUP_INTERVAL. */
  readonly schedule: Schedule;
  readonly pingIntervalMs: number;
  /** HOLDFAST_RECONNECT_SECONDS: the longest pause between two attempts to reach a server that is away. */
  readonly longestPauseMs: number;
  /** HOST_ROOT: what is backed up is read below this directory and recorded without it. */
  readonly hostRoot: string | null;
  readonly grants: Grants;
  readonly page: PageSettings;
}

/** What the process is, beside its environment. */
export interface Machine {
  readonly hostName: string;
  readonly isContainer: boolean;
  /** IANA name. */
  readonly timeZone: string;
}

const MAX_INTERVAL_SECONDS = 366 * 86_400;

export function thisMachine(): Machine {
  return {
    hostName: hostname(),
    isContainer: existsSync('/.dockerenv') || existsSync('/run/.containerenv'),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}

/** Reads the settings. Throws SettingsError, which names every bad or missing one and why, never its value. */
export function loadServiceSettings(env: Environment, machine: Machine): ServiceSettings {
  const reader = new SettingReader(env);
  for (const problem of unknownSettings(env)) reader.refuse(problem);
  const agent = readAgentSettings(reader);
  const settings: ServiceSettings = {
    ...agent,
    serverUrl: readServerUrl(reader, agent),
    credentials: readCredentials(reader),
    clientName: readClientName(reader),
    monitoredPaths: reader.paths('MONITORED_PATHS'),
    preCommands: reader.list('PRE_COMMANDS', ';'),
    commandEnvironment: reader.list('COMMAND_ENVIRONMENT', ','),
    schedule: readSchedule(reader, machine),
    pingIntervalMs: reader.integer('PING_INTERVAL', { min: 1, max: 86_400, otherwise: 60 }) * 1000,
    longestPauseMs: reader.integer('HOLDFAST_RECONNECT_SECONDS', { min: 1, max: 3_600, otherwise: 30 }) * 1000,
    hostRoot: reader.path('HOST_ROOT'),
    grants: {
      remoteCommands: reader.flag('ALLOW_REMOTE_COMMANDS', false),
      allowedPaths: reader.text('ALLOWED_PATHS') === null ? null : reader.paths('ALLOWED_PATHS'),
    },
    page: {
      isEnabled: reader.flag('CLIENT_UI_ENABLED', true),
      port: reader.integer('CLIENT_UI_PORT', { min: 0, max: 65_535, otherwise: 8_080 }),
      host: reader.text('CLIENT_UI_HOST') ?? (machine.isContainer ? '0.0.0.0' : '127.0.0.1'),
      allowedHosts: reader.list('CLIENT_UI_ALLOWED_HOSTS', ',').map((host) => host.toLowerCase()),
    },
  };
  reader.assertNoProblems();
  return settings;
}

/** Names of the settings that a service without a page, and without an earlier enrolment, cannot do without. */
export function missingSettings(settings: ServiceSettings, isEnrolled: boolean): string[] {
  const { serverUrl, credentials, monitoredPaths } = settings;
  const missing: string[] = [];
  if (serverUrl === null && !isEnrolled) missing.push('SERVER_URL');
  if (credentials === null && !isEnrolled) missing.push('USERNAME and PASSWORD (or ENROLMENT_CODE)');
  if (monitoredPaths.length === 0) missing.push('MONITORED_PATHS');
  return missing;
}

function readServerUrl(reader: SettingReader, agent: AgentSettings): string | null {
  const text = reader.text('SERVER_URL');
  if (text === null) return null;
  const address = parseServerAddress(text, agent);
  return 'url' in address ? address.url : reader.refuse(`SERVER_URL ${address.problem}`);
}

/**
 * Desktops set USERNAME themselves, so the names with HOLDFAST_ before them win, and a name without a password is no
 * credential. A code comes first: it was made for this machine.
 */
function readCredentials(reader: SettingReader): Credentials | null {
  const code = reader.secret('ENROLMENT_CODE');
  const username = reader.secret('HOLDFAST_USERNAME') ?? reader.secret('USERNAME');
  const password = reader.secret('HOLDFAST_PASSWORD') ?? reader.secret('PASSWORD');
  if (code !== null) return { kind: 'code', code };
  if (username === null || password === null) return null;
  return { kind: 'password', username, password };
}

function readClientName(reader: SettingReader): string | null {
  const name = reader.text('CLIENT_NAME');
  if (name === null || /^[^\p{Cc}]{1,128}$/u.test(name)) return name;
  return reader.refuse('CLIENT_NAME must have 1 to 128 characters, no control characters');
}

function readSchedule(reader: SettingReader, machine: Machine): Schedule {
  const everySeconds = reader.integer('BACKUP_INTERVAL', { min: 1, max: MAX_INTERVAL_SECONDS, otherwise: null });
  const cron = reader.text('BACKUP_SCHEDULE');
  if (cron === null) return { kind: 'every', everySeconds: everySeconds ?? 3_600 };
  if (reader.text('BACKUP_INTERVAL') !== null) {
    reader.refuse('BACKUP_INTERVAL and BACKUP_SCHEDULE are both set: leave one out');
  }
  const schedule: Schedule = { kind: 'cron', cron, timeZone: machine.timeZone };
  try {
    return parseSchedule(schedule);
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    // The reason may quote the value, which is no secret, but is told by rule like all others.
    reader.refuse(
      'BACKUP_SCHEDULE must be a cron expression of 5 fields (6 with seconds first) that comes at some time',
    );
    return schedule;
  }
}
