import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { BoundedOutput } from './bounded-output';
import type { Command, CommandOutcome, CommandReport } from './command';

/** How long a process group has to end by itself after SIGTERM, before SIGKILL. */
const TERM_GRACE_MS = 5_000;
/** How long output is waited for after the shell has ended: a child that it left behind may hold the pipe open for ever. */
const DRAIN_MS = 500;

export interface CommandOptions {
  readonly phase: 'pre' | 'post';
  readonly position: number;
  readonly env: Record<string, string>;
  readonly signal: AbortSignal;
  readonly termGraceMs?: number;
}

interface Ending {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly problem: string | null;
}

/**
 * Runs one command line with `/bin/sh -c` in a process group of its own. When its time is up or `signal` is aborted,
 * the whole group gets SIGTERM, then SIGKILL: nothing of it is left. Never throws; a shell that cannot be started is a
 * failed command.
 */
export async function runCommand({ command, timeoutMs }: Command, options: CommandOptions): Promise<CommandReport> {
  const startedMs = Date.now();
  const startedAt = performance.now();
  const output = new BoundedOutput();
  const report = (outcome: CommandOutcome, { exitCode, signal }: Omit<Ending, 'problem'>): CommandReport => ({
    phase: options.phase,
    position: options.position,
    command,
    outcome,
    exitCode,
    signal,
    startedMs,
    durationMs: Math.round(performance.now() - startedAt),
    output: output.text(),
    isTruncated: output.isTruncated,
  });
  if (options.signal.aborted) return report('killed', { exitCode: null, signal: null });
  const child = start(command, options.env);
  if (child instanceof Error) {
    output.add(Buffer.from(`the shell cannot be started: ${child.message}`));
    return report('failed', { exitCode: null, signal: null });
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      output.add(bytes);
    });
  }
  const stopped: { by: 'timed-out' | 'killed' | null } = { by: null };
  const ended = endOf(child);
  const stop = (why: 'timed-out' | 'killed'): void => {
    if (stopped.by !== null) return;
    stopped.by = why;
    void endGroup(child, ended, options.termGraceMs ?? TERM_GRACE_MS);
  };
  const onAbort = (): void => {
    stop('killed');
  };
  const timer = setTimeout(() => {
    stop('timed-out');
  }, timeoutMs);
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    const ending = await ended;
    if (ending.problem !== null) output.add(Buffer.from(ending.problem));
    // The shell is gone; what it started and did not wait for goes with it when the command was stopped.
    if (stopped.by !== null) signalGroup(child, 'SIGKILL');
    return report(stopped.by ?? (ending.exitCode === 0 ? 'succeeded' : 'failed'), ending);
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', onAbort);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

type Shell = ChildProcessByStdio<null, Readable, Readable>;

/** What Node refuses at once (a NUL character, more than the system takes) is a failed command like any other. */
function start(command: string, env: Record<string, string>): Shell | Error {
  try {
    return spawn('/bin/sh', ['-c', command], { detached: true, cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function endOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve({ exitCode: null, signal: null, problem: `the shell cannot be started: ${error.message}` });
    });
    child.once('exit', (exitCode, signal) => {
      const done = (): void => {
        resolve({ exitCode, signal, problem: null });
      };
      const timer = setTimeout(done, DRAIN_MS);
      child.once('close', () => {
        clearTimeout(timer);
        done();
      });
    });
  });
}

async function endGroup(child: ChildProcess, ended: Promise<unknown>, graceMs: number): Promise<void> {
  signalGroup(child, 'SIGTERM');
  const waiting = new AbortController();
  const isOver = await Promise.race([
    ended.then(() => true),
    sleep(graceMs, false, { signal: waiting.signal }).catch(() => false),
  ]);
  waiting.abort();
  if (!isOver) signalGroup(child, 'SIGKILL');
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Everything in the group has ended already.
  }
}
