import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NO_KILL_POINTS } from '#common';
import { JsonFile } from '../state/json-file';
import { identifyProcess, isProcessAlive } from '../state/process-identity';
import { cleanEnvironment } from './clean-environment';
import type { Command } from './command';
import { runCommand } from './run-command';
import { type CommandInFlight, LeftCommand } from './left-command';
import { abortReason, runCommands } from './run-commands';

const ENV = { PATH: process.env['PATH'] ?? '' };
const never = new AbortController().signal;
const line = (command: string, timeoutMs = 20_000, onFailure: Command['onFailure'] = 'abort'): Command => ({
  command,
  timeoutMs,
  onFailure,
});

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-command-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function numberIn(path: string): Promise<number> {
  for (let attempt = 0; attempt < 1_000; attempt += 1) {
    try {
      const text = readFileSync(path, 'utf8');
      if (text.endsWith('\n')) return Number(text);
    } catch {
      // Not written yet.
    }
    await sleep(10);
  }
  throw new Error('the command wrote nothing');
}

async function whenGone(pid: number): Promise<void> {
  const process = identifyProcess(pid);
  while (process.startedAt !== null && isProcessAlive(process)) await sleep(10);
}

describe('a command', () => {
  it('that an agent was killed in is ended by the next one, with all that it started, and nothing else is', async () => {
    const file = new JsonFile<CommandInFlight>(join(directory, 'command.json'), 'state.command', NO_KILL_POINTS);
    const env = { ...ENV, ...new LeftCommand(file).begin() };
    const inner = join(directory, 'inner');
    const lines = `setsid sleep 600 & echo $! > ${inner}; (env -i sleep 600; true) & sleep 600`;
    const ended = runCommand(line(lines), { phase: 'pre', position: 0, env, signal: never });
    const other = runCommand(line(`echo $$ > ${inner}-other; exec sleep 600`), {
      phase: 'pre',
      position: 0,
      env: ENV,
      signal: AbortSignal.timeout(60_000),
    });
    const pid = await numberIn(inner);
    const otherPid = await numberIn(`${inner}-other`);
    // As a process that came after the one above was killed.
    expect(new LeftCommand(file).endLeft()).toBeGreaterThanOrEqual(2);
    await whenGone(pid);
    expect(await ended).toMatchObject({ outcome: 'failed', signal: 'SIGKILL' });
    expect(new LeftCommand(file).endLeft()).toBe(0);
    expect(isProcessAlive(identifyProcess(otherPid))).toBe(true);
    process.kill(otherPid, 'SIGKILL');
    await other;
  });

  it.each([
    ['with a NUL character', 'true\0'],
    ['longer than the system takes', `true ${'x'.repeat(3_000_000)}`],
  ])('%s has failed, and is no error of ours', async (_, text) => {
    const report = await runCommand(line(text), { phase: 'pre', position: 0, env: ENV, signal: never });
    expect(report).toMatchObject({ outcome: 'failed', exitCode: null });
    expect(report.output).toContain('cannot be started');
  });

  it('is run by the shell, and what it wrote and how it ended is reported', async () => {
    const report = await runCommand(line('echo out; echo err >&2; exit 3'), {
      phase: 'pre',
      position: 0,
      env: ENV,
      signal: never,
    });
    expect(report).toMatchObject({ outcome: 'failed', exitCode: 3, signal: null, phase: 'pre' });
    expect(report.output.split('\n').sort()).toEqual(['', 'err', 'out']);
    expect(await runCommand(line('true'), { phase: 'pre', position: 0, env: ENV, signal: never })).toMatchObject({
      outcome: 'succeeded',
      exitCode: 0,
    });
  });

  it('keeps the beginning and the end of long output', async () => {
    const command = line('echo first; head -c 1000000 /dev/zero | tr "\\0" x; echo; echo last');
    const { output } = await runCommand(command, { phase: 'pre', position: 0, env: ENV, signal: never });
    expect(output.length).toBeLessThan(17_000);
    expect(output).toMatch(/^first\n[^]*bytes left out[^]*\nlast\n$/);
  });

  it.each(['time', 'cancel'] as const)('that is ended (%s) takes everything that it started with it', async (why) => {
    const cancel = new AbortController();
    const inner = join(directory, 'inner');
    // The grandchild ignores the polite signal.
    const command = `(trap "" TERM; echo $$ > /dev/null; sh -c 'echo $PPID > ${inner}; exec sleep 600') & wait`;
    const running = runCommand(line(command, why === 'time' ? 5_000 : 60_000), {
      phase: 'pre',
      position: 0,
      env: ENV,
      signal: cancel.signal,
      termGraceMs: 100,
    });
    const pid = await numberIn(inner);
    if (why === 'cancel') cancel.abort();
    expect(await running).toMatchObject({ outcome: why === 'time' ? 'timed-out' : 'killed' });
    await whenGone(pid);
  });

  it('does not wait for what it left running on purpose', async () => {
    const inner = join(directory, 'inner');
    const report = await runCommand(line(`sleep 600 & echo $! > ${inner}`), {
      phase: 'pre',
      position: 0,
      env: ENV,
      signal: never,
    });
    expect(report).toMatchObject({ outcome: 'succeeded' });
    const pid = await numberIn(inner);
    process.kill(pid, 'SIGKILL');
  });

  it('is not begun when it was cancelled before', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const report = await runCommand(line(`rm ${file}`), {
      phase: 'pre',
      position: 0,
      env: ENV,
      signal: AbortSignal.abort(),
    });
    expect(report.outcome).toBe('killed');
    expect(readFileSync(file, 'utf8')).toBe('');
  });
});

describe('a list of commands', () => {
  it('stops after a failure that says so, and goes on after one that does not', async () => {
    const commands = [line('false', 20_000, 'continue'), line('exit 7'), line('true')];
    const reports = await runCommands({
      phase: 'pre',
      commands,
      env: ENV,
      signal: never,
      inFlight: new LeftCommand(new JsonFile(join(directory, 'command.json'), 'state.command', NO_KILL_POINTS)),
    });
    expect(reports.map((report) => report.outcome)).toEqual(['failed', 'failed', 'skipped']);
    expect(abortReason(commands, reports)).toBe('a pre command ended with exit code 7: exit 7');
    expect(abortReason(commands.slice(0, 1), reports.slice(0, 1))).toBeNull();
  });
});

describe('the environment of commands', () => {
  it('holds nothing of ours but what they are to know', () => {
    const env = {
      PATH: '/bin',
      LC_ALL: 'C',
      PASSWORD: 'x',
      HOLDFAST_PASSWORD: 'x',
      ENROLMENT_CODE: 'x',
      PGHOST: 'db',
      NODE_OPTIONS: '--x',
    };
    expect(cleanEnvironment(env, ['PGHOST'], { HOLDFAST_TASK: 'web' })).toEqual({
      PATH: '/bin',
      LC_ALL: 'C',
      PGHOST: 'db',
      HOLDFAST_TASK: 'web',
    });
    expect(cleanEnvironment({}, [], {})).toHaveProperty('PATH');
  });
});
