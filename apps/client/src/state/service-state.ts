import { join } from 'node:path';
import type { ConfigAnswer, KillPoints, RunTrigger } from '#common';
import type { Schedule } from '#engine';
import type { CommandInFlight } from '../commands/left-command';
import { JsonFile } from './json-file';

/** What the configuration page saved. Settings of the environment win over it. No secret is in it. */
export interface SavedSettings {
  readonly serverUrl: string;
  readonly clientName: string;
  readonly monitoredPaths: readonly string[];
}

/** An enrolment on its way: the secret is written down before it is asked for, so that a lost answer loses no client. */
export interface PendingEnrolment {
  readonly serverUrl: string;
  readonly clientName: string;
  readonly secret: string;
}

/** A run that is due, remembered until it has ended: also over a restart, and while the server is away. */
export interface PendingRun {
  readonly trigger: RunTrigger;
  /** Server time, ms; null: not by a schedule. */
  readonly dueMs: number | null;
  /** Due times that went by while nobody could run them, to be told to the server once. */
  readonly missed?: { readonly firstDueMs: number; readonly lastDueMs: number; readonly count: number };
}

export interface TaskMemory {
  /** When the last run began, server time; null: none that is known. */
  readonly beganMs: number | null;
  readonly pending: PendingRun | null;
  /** Its schedule began at `sinceMs` by a clock that was ahead, and counts from `countsFromMs` instead. */
  readonly broughtBack?: { readonly sinceMs: number; readonly countsFromMs: number };
}

/** What the agent knows of its tasks' past, by the task's UUID, or OWN_TASK. */
export interface ScheduleMemory {
  readonly clientId: string;
  /** Of the task that the agent's own settings make, once the server has told it. */
  readonly ownTaskId: string | null;
  /** The own task's schedule, and since when it is so. */
  readonly ownSchedule: { readonly schedule: Schedule; readonly sinceMs: number } | null;
  readonly tasks: Readonly<Record<string, TaskMemory>>;
}

/** The files that the service keeps beside those of its tasks. */
export class ServiceState {
  readonly settings: JsonFile<SavedSettings>;
  readonly enrolment: JsonFile<PendingEnrolment>;
  /** The last config that the server gave, with the client that it is for. */
  readonly config: JsonFile<{ clientId: string; config: ConfigAnswer }>;
  readonly schedule: JsonFile<ScheduleMemory>;
  readonly command: JsonFile<CommandInFlight>;

  constructor(stateDir: string, killPoints: KillPoints) {
    this.settings = new JsonFile(join(stateDir, 'settings.json'), 'state.settings', killPoints);
    this.enrolment = new JsonFile(join(stateDir, 'enrolling.json'), 'state.enrolling', killPoints);
    this.config = new JsonFile(join(stateDir, 'config.json'), 'state.config', killPoints);
    this.schedule = new JsonFile(join(stateDir, 'schedule.json'), 'state.schedule', killPoints);
    this.command = new JsonFile(join(stateDir, 'command.json'), 'state.command', killPoints);
  }
}
