import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SchedulerRegistry } from '@nestjs/schedule';
import { NO_KILL_POINTS, type TaskDefinition } from '#common';
import { Workspace } from '../backup/workspace.testing';
import { loadServiceSettings } from '../config/service-settings';
import { AgentLog } from '../log/agent-log';
import { LogSpool } from '../log/log-spool';
import type { Body } from '../server-api/server-api';
import { ServerProblem, ServerUnreachableError } from '../server-api/server-problem';
import { ServiceState } from '../state/service-state';
import { TaskState } from '../state/task-state';
import { AgentSession } from './agent-session';
import { AgentWork } from './agent-work';
import { type Pause, REAL_PAUSE } from './pause';
import { FakeFleet } from './fake-fleet.testing';
import { ServerClock } from './server-clock';
import { ServerLink } from './server-link';
import { TaskMemories } from './task-memory';

const MACHINE = { hostName: 'machine', isContainer: false, timeZone: 'UTC' };

let workspace: Workspace;
let fleet: FakeFleet;
let printed: string[];
let stops: (() => Promise<void>)[];
beforeEach(() => {
  workspace = new Workspace();
  fleet = new FakeFleet(workspace.server.taskId);
  printed = [];
  stops = [];
  writeFileSync(workspace.path('file'), 'content');
  workspace.server.onCall = () => {
    if (fleet.is === 'away') throw new ServerUnreachableError('call', 'it is away');
  };
});
afterEach(async () => {
  for (const stop of stops) await stop();
  workspace.remove();
});

interface Agent {
  work: AgentWork;
  stop: () => Promise<void>;
}

function start(env: Record<string, string> = {}, pause: Pause = REAL_PAUSE): Agent {
  const settings = loadServiceSettings(
    {
      HOLDFAST_STATE_DIR: workspace.stateDir,
      MONITORED_PATHS: workspace.source,
      BACKUP_INTERVAL: '86400',
      HOLDFAST_RECONNECT_SECONDS: '1',
      ...env,
    },
    MACHINE,
  );
  const state = new ServiceState(settings.stateDir, NO_KILL_POINTS);
  const spool = new LogSpool(settings.stateDir);
  const log = new AgentLog(spool, (line) => printed.push(line));
  const controller = new AbortController();
  const session = new AgentSession({
    identity: {
      serverUrl: 'http://server',
      clientId: 'client-1',
      clientName: 'machine',
      secret: 'x',
      fingerprints: [],
    },
    api: workspace.server,
    fleet,
    settings,
    monitoredPaths: settings.monitoredPaths,
    state,
    memories: new TaskMemories(state, 'client-1'),
    clock: new ServerClock(),
    killPoints: NO_KILL_POINTS,
  });
  const work = new AgentWork({
    session,
    link: new ServerLink(log, settings),
    log,
    spool,
    registry: new SchedulerRegistry(),
    environment: { PATH: process.env['PATH'], PASSWORD: 'hush' },
    hostName: 'machine',
    stopping: controller.signal,
    pause,
  });
  work.start();
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    controller.abort(new Error('the agent was stopped'));
    stopping ??= work.end();
    return stopping;
  };
  stops.push(stop);
  return { work, stop };
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; !condition();) {
    if (Date.now() > deadline) throw new Error(`it did not happen:\n${printed.join('')}`);
    await sleep(10);
  }
}

function serverTask(change: Partial<Body<TaskDefinition>>): void {
  const definition: Body<TaskDefinition> = {
    paths: [workspace.source],
    excludes: [],
    includes: [],
    skipsCaches: false,
    markerFile: null,
    maxFileBytes: null,
    staysOnFileSystem: false,
    schedule: null,
    preCommands: [],
    postCommands: [],
    compressionLevel: null,
    isEnabled: true,
    ...change,
  };
  fleet.tasks = [{ id: workspace.server.taskId, name: 'web', definition, scheduledSinceMs: Date.now() }];
  fleet.version += 1;
}

const command = (text: string, onFailure: 'abort' | 'continue' = 'abort') => ({
  command: text,
  timeoutSeconds: 60,
  onFailure,
});
const states = (): string[] => workspace.server.runs.map(({ state }) => state);
/** Without a task of its own, with commands granted. */
const serverOnly = () => ({
  MONITORED_PATHS: '',
  ALLOW_REMOTE_COMMANDS: 'true',
  ALLOWED_PATHS: workspace.base,
});

describe('the agent at work', () => {
  it('backs its own task up at once, tells the server of it, and pings', async () => {
    const { work } = start({
      PRE_COMMANDS: `echo "$HOLDFAST_TASK:$PASSWORD:$HOLDFAST_CLIENT" > ${workspace.path('dump')}`,
    });
    await until(() => states()[0] === 'succeeded' && fleet.lastPing !== null);
    expect(workspace.server.paths(workspace.source)).toEqual(['dump', 'file']);
    // The agent's secrets are not in the environment of commands.
    // The client is called what the server calls it.
    expect(readFileSync(workspace.path('dump'), 'utf8')).toBe('default::renamed\n');
    expect(fleet.ownTask).toMatchObject({
      paths: [workspace.source],
      schedule: { kind: 'every', everySeconds: 86_400 },
    });
    await until(() => fleet.lastPing?.tasks.length === 1);
    const runId = workspace.server.runs[0]!.runId;
    await until(() => fleet.lines.some((line) => line.includes('run succeeded')));
    expect(fleet.outputsOf.get(runId)).toMatchObject([
      { phase: 'pre', position: 0, outcome: 'succeeded', exitCode: 0 },
    ]);
    expect(work.clock.nextDueMs('own')).toBeGreaterThan(Date.now());
  });

  it('runs an interval again and again, one run at a time', async () => {
    start({ BACKUP_INTERVAL: '1' });
    await until(() => states().filter((state) => state === 'succeeded').length === 3);
    expect(fleet.missed).toEqual([]);
  });

  it('remembers a due run while the server is away, runs no command yet, also over a restart, and runs when it is back', async () => {
    fleet.is = 'away';
    const marker = workspace.path('dump');
    const env = { PRE_COMMANDS: `echo dumped > ${marker}` };
    const first = start(env);
    await until(() => first.work.runner.waitingKeys.includes('own') && printed.join('').includes('the server is away'));
    await first.stop();
    start(env);
    await until(() => printed.filter((line) => line.includes('the server is away')).length === 2);
    expect(existsSync(marker)).toBe(false);
    fleet.is = 'there';
    await until(() => states()[0] === 'succeeded');
    expect(existsSync(marker)).toBe(true);
    expect(states()).toEqual(['succeeded']);
    // What it said meanwhile reaches the server too.
    await until(() => fleet.lines.some((line) => line.includes('the server is away')));
  });

  it('waits while its account is disabled, says so once, and goes on when it is not any more', async () => {
    fleet.is = 'disabled';
    const { work } = start({ BACKUP_INTERVAL: '1' });
    await until(() => work.runner.waitingKeys.includes('own') && printed.join('').includes('refuses this client'));
    const calls = fleet.calls;
    await until(() => fleet.calls > calls + 2);
    expect(printed.filter((line) => /WARN|ERROR/i.test(line))).toHaveLength(1);
    fleet.is = 'there';
    await until(() => states()[0] === 'succeeded');
  });

  it('works by the config that it kept while the server is away', async () => {
    serverTask({ schedule: { kind: 'every', everySeconds: 3_600 } });
    const first = start(serverOnly());
    await until(() => first.work.clock.nextDueMs(fleet.taskId) !== null);
    await first.stop();
    fleet.is = 'away';
    const second = start(serverOnly());
    expect(second.work.clock.nextDueMs(fleet.taskId)).toBeGreaterThan(Date.now());
  });

  it('runs a task when it is told to, and once only', async () => {
    serverTask({});
    start(serverOnly());
    await until(() => fleet.lastPing !== null);
    fleet.tell([{ kind: 'run', runId: 'queued', taskId: fleet.taskId }]);
    await until(() => states()[0] === 'succeeded');
    // A start claims it: the server tells of it no more.
    fleet.tell([]);
    fleet.tell([{ kind: 'run', runId: workspace.server.runs[0]!.runId, taskId: fleet.taskId }]);
    fleet.tell([{ kind: 'run', runId: 'another', taskId: fleet.taskId }]);
    await until(() => states().length === 2 && states()[1] === 'succeeded');
    expect(states()).toHaveLength(2);
  });

  it('cancels a run in its pre command, with all that the command started, and runs the post command', async () => {
    const inner = workspace.path('inner');
    const after = workspace.path('after');
    serverTask({
      preCommands: [command(`sleep 600 & echo $! > ${inner}; wait`)],
      postCommands: [command(`echo "$HOLDFAST_OUTCOME" > ${after}`)],
    });
    start(serverOnly());
    fleet.tell([{ kind: 'run', runId: 'queued', taskId: fleet.taskId }]);
    await until(() => existsSync(inner) && readFileSync(inner, 'utf8').endsWith('\n'));
    const pid = Number(readFileSync(inner, 'utf8'));
    const { runId } = workspace.server.runs[0]!;
    fleet.tell([{ kind: 'cancel', runId, taskId: fleet.taskId }]);
    await until(() => states()[0] === 'cancelled' && existsSync(after) && readFileSync(after, 'utf8') !== '');
    expect(readFileSync(after, 'utf8')).toBe('cancelled\n');
    await until(() => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
    await until(() => fleet.outputsOf.get(runId)?.length === 2);
    expect(
      fleet.outputsOf
        .get(runId)!
        .map(({ phase, outcome }) => [phase, outcome])
        .sort(),
    ).toEqual([
      ['post', 'succeeded'],
      ['pre', 'killed'],
    ]);
  });

  it('fails a run whose pre command fails, reads nothing, and tells the post command', async () => {
    const after = workspace.path('after');
    serverTask({
      preCommands: [command('false', 'continue'), command('echo broken; exit 9')],
      postCommands: [command(`echo "$HOLDFAST_OUTCOME: $HOLDFAST_ERROR" > ${after}`)],
    });
    start(serverOnly());
    fleet.tell([{ kind: 'run', runId: 'queued', taskId: fleet.taskId }]);
    await until(() => existsSync(after) && readFileSync(after, 'utf8') !== '');
    expect(states()).toEqual(['failed']);
    expect(readFileSync(after, 'utf8')).toBe('failed: a pre command ended with exit code 9: echo broken; exit 9\n');
    expect(workspace.server.calls.get('missing')).toBeUndefined();
    const { runId } = workspace.server.runs[0]!;
    await until(() => fleet.outputsOf.get(runId)?.length === 3);
    expect(fleet.outputsOf.get(runId)![1]).toMatchObject({ outcome: 'failed', exitCode: 9, output: 'broken\n' });
  });

  it('saves a path that the pre command makes', async () => {
    const made = join(workspace.source, 'snapshot');
    serverTask({ paths: [made], preCommands: [command(`mkdir ${made} && echo new > ${made}/file`)] });
    start(serverOnly());
    fleet.tell([{ kind: 'run', runId: 'queued', taskId: fleet.taskId }]);
    await until(() => ['succeeded', 'partial', 'failed'].includes(states()[0] ?? ''));
    expect(states()).toEqual(['succeeded']);
    expect(workspace.server.paths(made)).toEqual(['file']);
  });

  it('fails a run whose path leads elsewhere since the pre command, instead of saving what it led to before', async () => {
    const [old, fresh, link] = ['old', 'fresh', 'link'].map((name) => join(workspace.source, name)) as [
      string,
      string,
      string,
    ];
    for (const folder of [old, fresh]) mkdirSync(folder);
    symlinkSync(old, link);
    serverTask({ paths: [`${link}/`], preCommands: [command(`ln -sfn ${fresh} ${link}`)] });
    start(serverOnly());
    fleet.tell([{ kind: 'run', runId: 'queued', taskId: fleet.taskId }]);
    await until(() => states()[0] === 'failed');
    const told = `lead elsewhere since the pre commands ran: before to ${old}, now to ${fresh}.`;
    await until(() => fleet.lines.some((line) => line.includes(told)));
    expect(workspace.server.paths(old)).toEqual([]);
  });

  it('refuses commands that it does not take, and paths that it does not allow, visibly', async () => {
    const marker = workspace.path('dump');
    serverTask({ preCommands: [command(`touch ${marker}`)] });
    start({ MONITORED_PATHS: '', ALLOWED_PATHS: workspace.source });
    fleet.tell([{ kind: 'run', runId: 'queued', taskId: fleet.taskId }]);
    await until(() => states()[0] === 'failed');
    expect(existsSync(marker)).toBe(false);
    await until(() => fleet.lastPing?.refusals[0]?.code === 'remote-commands');
    expect(fleet.outputsOf.get(workspace.server.runs[0]!.runId)).toMatchObject([{ outcome: 'refused' }]);
    serverTask({ paths: ['/etc'] });
    fleet.tell([{ kind: 'run', runId: 'another', taskId: fleet.taskId }]);
    await until(() => states()[1] === 'failed');
    await until(() => fleet.lastPing?.refusals[0]?.code === 'paths-not-allowed');
    await until(() => fleet.lines.filter((line) => line.includes('failed: refused:')).length === 2);
  });

  it('judges the paths that it walks, whoever moves a link meanwhile', async () => {
    const [allowed, secret, link] = ['allowed', 'secret', 'link'].map((name) => join(workspace.base, name)) as [
      string,
      string,
      string,
    ];
    for (const folder of [allowed, secret]) mkdirSync(join(folder, 'sub'), { recursive: true });
    symlinkSync(secret, link);
    // The run's roots are resolved before it begins on the server, and judged after that.
    workspace.server.onCall = (call) => {
      if (call !== 'startRun') return;
      rmSync(link);
      symlinkSync(allowed, link);
    };
    serverTask({ paths: [join(link, 'sub')] });
    start({ MONITORED_PATHS: '', ALLOWED_PATHS: allowed });
    fleet.tell([{ kind: 'run', runId: 'queued', taskId: fleet.taskId }]);
    await until(() => states().length === 1 && states()[0] !== 'running');
    expect(states()).toEqual(['failed']);
    await until(() => printed.join('').includes('refused: outside of the paths'));
    expect(workspace.server.calls.get('missing')).toBeUndefined();
  });

  it('runs other tasks while one is held by another process, and that one when it is let go', async () => {
    serverTask({});
    const heldId = '00000000-0000-4000-8000-000000000001';
    fleet.tasks = [{ ...fleet.tasks[0]!, id: heldId, name: 'held' }, ...fleet.tasks];
    const held = new TaskState(workspace.stateDir, 'held', NO_KILL_POINTS).lock();
    const { work } = start(serverOnly());
    await until(() => fleet.lastPing !== null);
    fleet.tell([
      { kind: 'run', runId: 'first', taskId: heldId },
      { kind: 'run', runId: 'second', taskId: fleet.taskId },
    ]);
    await until(() => states()[0] === 'succeeded' && work.runner.waitingKeys[0] === heldId);
    held.release();
    await until(() => printed.join('').includes('task "held": run started'));
  });

  it('leaves a scheduled run that the server refuses until its next time', async () => {
    workspace.server.onCall = (call) => {
      if (call !== 'startRun') return;
      throw new ServerProblem({ code: 'quota-exceeded', status: 507, detail: 'No room.' }, 'POST /runs');
    };
    const { work } = start();
    await until(() => printed.join('').includes('run failed: POST /runs: No room.'));
    await until(() => work.runner.waitingKeys.length === 0);
    // Made again at once, it would be refused many times by now.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(workspace.server.calls.get('startRun')).toBe(1);
  });

  describe('when the server has a fault in a run', () => {
    const fault = (): never => {
      throw new ServerProblem({ code: 'internal', status: 500, detail: 'Oh.' }, 'POST /runs');
    };
    /** Long pauses end when the test says so. */
    const long = (): { pause: Pause; asked: number[]; end: () => void } => {
      const asked: number[] = [];
      const waiting: (() => void)[] = [];
      return {
        asked,
        end: () => {
          for (const wake of waiting.splice(0)) wake();
        },
        pause: (ms, signal) => {
          if (ms < 60_000) return REAL_PAUSE(ms, signal);
          asked.push(ms);
          return new Promise((wake) => waiting.push(wake));
        },
      };
    };

    it.each([
      ['before it began', 'startRun', []],
      ['after it began', 'missing', ['failed']],
    ])('makes it again some minutes later, %s, also over a restart', async (_, faulty, before) => {
      const { pause, asked, end } = long();
      workspace.server.onCall = (call) => {
        if (call === faulty) fault();
      };
      const { work, stop } = start({}, pause);
      await until(() => asked.length === 1);
      expect(states()).toEqual(before);
      end();
      await until(() => asked.length === 2);
      expect(asked).toEqual([60_000, 300_000]);
      expect(work.runner.waitingKeys).toEqual(['own']);
      expect(printed.join('')).toContain('made again in 5 min');
      await stop();
      workspace.server.onCall = () => undefined;
      start({}, pause);
      await until(() => states().at(-1) === 'succeeded');
    });

    it('leaves it until its next time when it has been made often enough', async () => {
      const { pause, asked, end } = long();
      workspace.server.onCall = (call) => {
        if (call === 'startRun') fault();
      };
      const { work } = start({}, pause);
      for (let count = 1; count <= 4; count += 1) {
        await until(() => asked.length === count);
        end();
      }
      await until(() => work.runner.waitingKeys.length === 0);
      expect(workspace.server.calls.get('startRun')).toBe(5);
    });

    it('makes an ordered one again as long as the server wants it', async () => {
      const { pause, asked, end } = long();
      workspace.server.onCall = (call) => {
        if (call === 'startRun') fault();
      };
      const { work } = start({ ...serverOnly() }, pause);
      serverTask({});
      const order = { kind: 'run', runId: 'queued', taskId: fleet.taskId } as const;
      fleet.tell([order]);
      await until(() => asked.length === 1);
      fleet.tell([order]);
      end();
      await until(() => asked.length === 2);
      expect(workspace.server.calls.get('startRun')).toBe(2);
      fleet.tell([]);
      await until(() => work.runner.waitingKeys.length === 0);
      end();
      await sleep(50);
      expect(workspace.server.calls.get('startRun')).toBe(2);
    });

    it('has it done by one that is ordered meanwhile', async () => {
      const { pause, asked, end } = long();
      workspace.server.onCall = (call) => {
        if (call === 'startRun' && asked.length === 0) fault();
      };
      const { work } = start({}, pause);
      await until(() => asked.length === 1 && fleet.lastPing !== null);
      fleet.tell([{ kind: 'run', runId: 'queued', taskId: fleet.taskId }]);
      await until(() => states().at(-1) === 'succeeded');
      await until(() => work.runner.waitingKeys.length === 0);
      const runs = states().length;
      end();
      await sleep(50);
      expect(states()).toHaveLength(runs);
    });
  });

  it('makes a run that it was stopped in again, when it is started again', async () => {
    const inner = workspace.path('inner');
    const first = start({ PRE_COMMANDS: `test -e ${inner} || (touch ${inner} && sleep 600)` });
    await until(() => existsSync(inner));
    await first.stop();
    expect(states()).toEqual(['cancelled']);
    start();
    await until(() => states()[1] === 'succeeded');
  });

  it('asks rarely once it was refused, says so once, keeps what is due, and goes on when it is accepted again', async () => {
    const asks: { ms: number; ask: () => void }[] = [];
    const pause: Pause = (ms, signal) =>
      ms < 60_000
        ? REAL_PAUSE(ms, signal)
        : new Promise((ask) => {
            asks.push({ ms, ask });
            signal.addEventListener('abort', () => {
              ask();
            });
          });
    const { work } = start({ BACKUP_INTERVAL: '1' }, pause);
    await until(() => states()[0] === 'succeeded' && fleet.lastPing !== null);
    fleet.is = 'revoked';
    fleet.tell();
    await until(() => asks.length === 1 && work.runner.running === null && work.runner.waitingKeys.includes('own'));
    asks[0]!.ask();
    await until(() => asks.length === 2);
    for (const { ms } of asks) expect(ms).toBeGreaterThanOrEqual(600_000);
    for (const { ms } of asks) expect(ms).toBeLessThanOrEqual(900_000);
    expect(printed.filter((line) => line.includes('was revoked'))).toHaveLength(1);
    expect(printed.filter((line) => /asked again every 10 to 15 minutes/.test(line))).toHaveLength(1);
    const runs = states().length;
    expect(work.runner.waitingKeys).toEqual(['own']);
    fleet.is = 'there';
    asks[1]!.ask();
    await until(() => states()[runs] === 'succeeded');
    expect(printed.join('')).toContain('accepts this client again');
  });
});
