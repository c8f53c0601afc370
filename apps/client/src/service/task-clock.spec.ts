import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SchedulerRegistry } from '@nestjs/schedule';
import { NO_KILL_POINTS } from '#common';
import type { Schedule } from '#engine';
import type { AgentTask } from '../schedule/agent-task';
import type { AgentLog } from '../log/agent-log';
import type { PendingRun } from '../state/service-state';
import { ServiceState } from '../state/service-state';
import type { AgentSession } from './agent-session';
import { ServerClock } from './server-clock';
import { TaskClock } from './task-clock';
import { TaskMemories } from './task-memory';
import type { TaskRunner } from './task-runner';

const START_MS = Date.parse('2026-03-10T12:00:00Z');
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MONTH_MS = 30 * 24 * HOUR_MS;

const HOURLY: Record<string, Schedule> = {
  interval: { kind: 'every', everySeconds: 3_600 },
  cron: { kind: 'cron', cron: '0 * * * *', timeZone: 'UTC' },
};

const TASK: AgentTask = {
  key: 'task',
  name: 'task',
  isOwn: false,
  isEnabled: true,
  paths: ['/srv'],
  patterns: [],
  skipsCaches: false,
  markerFile: null,
  maxFileBytes: null,
  staysOnFileSystem: false,
  schedule: null,
  randomDelaySeconds: 0,
  sinceMs: 0,
  preCommands: [],
  postCommands: [],
  compressionLevel: null,
};

let stateDir: string;
let state: ServiceState;
let said: string[];
beforeEach(() => {
  jest.useFakeTimers({ now: START_MS });
  stateDir = mkdtempSync(join(tmpdir(), 'holdfast-clock-'));
  said = [];
  state = new ServiceState(stateDir, NO_KILL_POINTS);
});
afterEach(() => {
  jest.useRealTimers();
  rmSync(stateDir, { recursive: true });
});

interface Process {
  readonly clock: TaskClock;
  readonly memories: TaskMemories;
  /** When runs began: each ends at once. */
  readonly began: number[];
}

/** An agent's process, with what the one before it left on disk. */
function start(task: AgentTask, { knowsTime = true } = {}): Process {
  const memories = new TaskMemories(state, 'client-1');
  const serverClock = new ServerClock();
  if (knowsTime) serverClock.learn(Date.now(), { sentMs: Date.now(), receivedMs: Date.now() });
  const session = { tasks: () => [task], parts: { memories, clock: serverClock } } as unknown as AgentSession;
  const began: number[] = [];
  const runner = {
    request(key: string, pending: PendingRun) {
      memories.remember(key, { pending });
      began.push(Date.now());
      memories.remember(key, { beganMs: Date.now(), pending: null });
    },
  } as unknown as TaskRunner;
  const log = { error: (line: string) => said.push(line) } as unknown as AgentLog;
  const clock = new TaskClock(session, runner, new SchedulerRegistry(), log);
  clock.plan();
  return { clock, memories, began };
}

/** Five hours, minute by minute, in processes of 25 minutes each. */
function beganIn5Hours(task: AgentTask): number[] {
  const began: number[] = [];
  for (let processes = 0; processes < 12; processes += 1) {
    const process = start(task);
    for (let minutes = 0; minutes < 25; minutes += 1) jest.advanceTimersByTime(MINUTE_MS);
    process.clock.stop();
    began.push(...process.began);
  }
  return began;
}

const noSpace = (): never => {
  throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', syscall: 'write' });
};

it('a look that a full disk fails is told, and the next one makes what is due', () => {
  const process = start({ ...TASK, schedule: HOURLY['interval']!, sinceMs: START_MS });
  const full = jest.spyOn(state.schedule, 'save').mockImplementation(noSpace);
  jest.advanceTimersByTime(HOUR_MS + 5 * MINUTE_MS);
  expect(process.began).toEqual([]);
  expect(said[0]).toContain('ENOSPC');
  full.mockRestore();
  jest.advanceTimersByTime(MINUTE_MS);
  expect(process.began).toHaveLength(1);
  process.clock.stop();
});

it('a run that ended while the disk was full is not pending any more', () => {
  const memories = new TaskMemories(state, 'client-1');
  memories.remember(TASK.key, { pending: { trigger: 'schedule', dueMs: START_MS } });
  const full = jest.spyOn(state.schedule, 'save').mockImplementation(noSpace);
  expect(() => {
    memories.endPending(TASK.key);
  }).toThrow('ENOSPC');
  full.mockRestore();
  expect(memories.pending()).toEqual([]);
});

describe.each(Object.keys(HOURLY))('an hourly schedule (%s)', (kind) => {
  const task: AgentTask = { ...TASK, schedule: HOURLY[kind]! };

  it('goes on after a last run that a clock which was ahead put into the future', () => {
    new TaskMemories(state, 'client-1').remember(TASK.key, { beganMs: START_MS + MONTH_MS });
    expect(beganIn5Hours(task)).toHaveLength(5);
  });

  it('goes on when it was made by a clock that was ahead, also when that time comes', () => {
    const madeAhead = { ...task, sinceMs: START_MS + 2 * HOUR_MS + HOUR_MS / 2 };
    expect(beganIn5Hours(madeAhead)).toHaveLength(5);
  });

  it('of the settings goes on when it was made by a clock that was ahead', () => {
    const own = { ...task, isOwn: true, sinceMs: null };
    const memories = new TaskMemories(state, 'client-1');
    memories.ownScheduleSince({ kind: 'every', everySeconds: 7_200 }, START_MS);
    memories.ownScheduleSince(HOURLY[kind]!, START_MS + MONTH_MS);
    memories.remember(TASK.key, { beganMs: START_MS });
    expect(beganIn5Hours(own)).toHaveLength(5);
  });

  it('is not brought back by the clock of a machine that does not know the time yet', () => {
    new TaskMemories(state, 'client-1').remember(TASK.key, { beganMs: START_MS + MONTH_MS });
    const { memories, clock } = start(task, { knowsTime: false });
    clock.stop();
    expect(memories.of(TASK.key)?.beganMs).toBe(START_MS + MONTH_MS);
  });
});
