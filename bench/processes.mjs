import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
/** What a server still does behind its last answer belongs to the phase: its CPU time is read so much later. */
const SETTLE_MS = 500;
const KEPT_OUTPUT = 8_000;
const TICKS_PER_SECOND = Number(spawnSync('getconf', ['CLK_TCK']).stdout?.toString()) || 100;

const running = new Set();

/** Ends everything that was started here and still runs, with all it started itself. For every way out of the benchmark. */
export function killAll() {
  for (const child of running) {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
  running.clear();
}

/**
 * Starts a program in a process group of its own, so that a Ctrl-C reaches only the benchmark, which then ends it.
 * @param {{ file: string, args: string[], env: object, cwd?: string, input?: string }} command
 * @returns {{ child: import('node:child_process').ChildProcess, output: () => string, ended: Promise<string | null> }}
 *   `ended` resolves with null for exit code 0, else with what happened; `output` is the end of what it wrote
 */
export function start({ file, args, env, cwd, input }) {
  const child = spawn(file, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  if (child.pid !== undefined) running.add(child);
  let output = '';
  const keep = (bytes) => (output = (output + bytes.toString()).slice(-KEPT_OUTPUT));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(`${file}: ${error.message}`));
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve(code === 0 ? null : `${file} ended with ${signal ?? `exit code ${code}`}:\n${output.trim()}`);
    });
  });
  return { child, output: () => output, ended };
}

/** Runs a command that is not measured; throws when it fails. */
export async function insist(command) {
  const { ended, output } = start(command);
  const problem = await ended;
  if (problem !== null) throw new Error(problem);
  return output();
}

/**
 * Runs a command and measures it; with `serverPid` also that server while it runs.
 *
 * CPU time of a command is what this process's account of its ended children grew by, so nothing of it is missed, and no
 * other command may run meanwhile. Peak memory is the highest resident size (VmHWM) of the process and its descendants
 * together, read every 20 ms.
 */
export async function measure(command, { serverPid = null } = {}) {
  if (serverPid !== null) forgetPeak(serverPid);
  const before = { children: childrenCpuSeconds(), server: serverPid === null ? 0 : cpuSeconds(serverPid) };
  const startedAt = performance.now();
  const { child, ended } = start(command);
  const peaks = new Map();
  let isRunning = true;
  const polling = (async () => {
    for (let n = 0; isRunning; n += 1) {
      // New descendants are rare, and looking for them costs more.
      const pids = n % 10 === 1 ? [child.pid, ...descendants(child.pid)] : [child.pid, ...peaks.keys()];
      for (const pid of new Set(pids)) peaks.set(pid, Math.max(peaks.get(pid) ?? 0, peakBytes(pid)));
      await sleep(POLL_MS);
    }
  })();
  const problem = await ended;
  const seconds = (performance.now() - startedAt) / 1_000;
  isRunning = false;
  await polling;
  if (problem !== null) throw new Error(problem);
  if (serverPid !== null) await sleep(SETTLE_MS);
  const clientCpuSeconds = childrenCpuSeconds() - before.children;
  const serverCpuSeconds = serverPid === null ? 0 : cpuSeconds(serverPid) - before.server;
  return {
    seconds,
    cpuSeconds: clientCpuSeconds + serverCpuSeconds,
    clientCpuSeconds,
    serverCpuSeconds,
    peakBytes: [...peaks.values()].reduce((sum, bytes) => sum + bytes, 0),
    serverPeakBytes: serverPid === null ? 0 : peakBytes(serverPid),
  };
}

/** User and system time from /proc/PID/stat (proc(5)); the fields are counted behind the name, which may hold anything. */
function statFields(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** CPU time of a process and of its children that ended. */
export function cpuSeconds(pid) {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** The same with all that the process started and that still runs. */
export function treeCpuSeconds(pid) {
  return [pid, ...descendants(pid)].reduce((sum, each) => sum + cpuSecondsOr(each, 0), 0);
}

function cpuSecondsOr(pid, otherwise) {
  try {
    return cpuSeconds(pid);
  } catch {
    return otherwise;
  }
}

function childrenCpuSeconds() {
  const fields = statFields('self');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** The highest resident size (VmHWM) so far; 0 when the process is gone. */
export function peakBytes(pid) {
  try {
    const match = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return match === null ? 0 : Number(match[1]) * 1_024;
  } catch {
    return 0;
  }
}

/** Lets the peak start anew at what the process holds now. */
export function forgetPeak(pid) {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function descendants(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean);
      return children.flatMap((child) => [Number(child), ...descendants(child)]);
    });
  } catch {
    return [];
  }
}
