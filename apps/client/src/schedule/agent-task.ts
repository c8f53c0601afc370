import type { ConfigAnswer, CommandSpec, TaskDefinition } from '#common';
import type { Schedule } from '#engine';
import type { Command } from '../commands/command';
import type { ServiceSettings } from '../config/service-settings';

/** Key of the task that the agent's own settings make, before and after the server gave it an id. */
export const OWN_TASK = 'own';
/** Its name on the server. */
export const OWN_TASK_NAME = 'default';
const OWN_COMMAND_TIMEOUT_SECONDS = 3_600;

/** What of the server's config says what to do. */
export type ServerWishes = Pick<ConfigAnswer, 'preCommands' | 'tasks' | 'publicUrl'>;

/** A task as this agent runs it, whoever defined it. */
export interface AgentTask {
  /** OWN_TASK, or the task's UUID. */
  readonly key: string;
  readonly name: string;
  readonly isOwn: boolean;
  readonly isEnabled: boolean;
  readonly paths: readonly string[];
  /** Gitignore patterns, includes among them. */
  readonly patterns: readonly string[];
  readonly skipsCaches: boolean;
  readonly markerFile: string | null;
  readonly maxFileBytes: number | null;
  readonly staysOnFileSystem: boolean;
  readonly schedule: Schedule | null;
  readonly randomDelaySeconds: number;
  /** Since when the schedule is as it is, server time, ms; null: known to the agent's memory only. */
  readonly sinceMs: number | null;
  readonly preCommands: readonly Command[];
  readonly postCommands: readonly Command[];
  readonly compressionLevel: number | null;
}

/** What the agent's own settings make of it; null without MONITORED_PATHS. */
export function ownTaskOf(settings: ServiceSettings, monitoredPaths: readonly string[]): AgentTask | null {
  if (monitoredPaths.length === 0) return null;
  return {
    key: OWN_TASK,
    name: OWN_TASK_NAME,
    isOwn: true,
    isEnabled: true,
    paths: monitoredPaths,
    patterns: [],
    skipsCaches: false,
    markerFile: null,
    maxFileBytes: null,
    staysOnFileSystem: false,
    schedule: settings.schedule,
    randomDelaySeconds: 0,
    sinceMs: null,
    preCommands: settings.preCommands.map((command) => ({
      command,
      timeoutMs: OWN_COMMAND_TIMEOUT_SECONDS * 1_000,
      onFailure: 'abort',
    })),
    postCommands: [],
    compressionLevel: null,
  };
}

/** The tasks that the server defined for this client. */
export function serverTasksOf(config: ServerWishes): AgentTask[] {
  return config.tasks.map(({ id, name, definition, scheduledSinceMs }) => ({
    key: id,
    name,
    isOwn: false,
    isEnabled: definition.isEnabled,
    paths: definition.paths,
    patterns: [...definition.excludes, ...definition.includes.map((pattern) => `!${pattern}`)],
    skipsCaches: definition.skipsCaches,
    markerFile: definition.markerFile,
    maxFileBytes: definition.maxFileBytes,
    staysOnFileSystem: definition.staysOnFileSystem,
    schedule: scheduleOf(definition),
    randomDelaySeconds: definition.schedule?.randomDelaySeconds ?? 0,
    sinceMs: scheduledSinceMs,
    preCommands: commandsOf(definition.preCommands),
    postCommands: commandsOf(definition.postCommands),
    compressionLevel: definition.compressionLevel,
  }));
}

export function commandsOf(specs: readonly CommandSpec[]): Command[] {
  return specs.map(({ command, timeoutSeconds, onFailure }) => ({
    command,
    timeoutMs: timeoutSeconds * 1_000,
    onFailure,
  }));
}

function scheduleOf({ schedule }: TaskDefinition): Schedule | null {
  if (schedule === null) return null;
  if (schedule.kind === 'every') return { kind: 'every', everySeconds: schedule.everySeconds ?? 0 };
  return { kind: 'cron', cron: schedule.cron ?? '', timeZone: schedule.timeZone ?? 'UTC' };
}
