// Loaded before the server (NODE_OPTIONS=--import): how long its event loop did not turn, and the memory that it took, told when it ends.
// A machine that does other things makes every loop late. So what is measured is the CPU time that the main thread took between
// two turns: what others would have waited for on a machine of their own. LOOP_LAG_FILE names the file; the first LOOP_LAG_SKIP_CPU
// seconds of CPU (the start of the process, which loads its code) are left out.
import { writeFileSync } from 'node:fs';
import { setInterval } from 'node:timers';

const TURN_MS = 5;
const TENTHS = 100_000;

const skipCpuSeconds = Number(process.env.LOOP_LAG_SKIP_CPU ?? '0');
/** Turns by the CPU time before them, in tenths of milliseconds. */
const turns = new Uint32Array(TENTHS);
let peakRss = 0;
let before = cpuMs();
let isPastStart = false;
setInterval(() => {
  const now = cpuMs();
  // The turn that ends the start belongs to it.
  if (isPastStart) turns[Math.min(TENTHS - 1, Math.round((now - before) * 10))] += 1;
  isPastStart ||= allCpuSeconds() > skipCpuSeconds;
  peakRss = Math.max(peakRss, process.memoryUsage.rss());
  // The look itself is not counted.
  before = cpuMs();
}, TURN_MS).unref();

function cpuMs() {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
}

function allCpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function percentile(part) {
  const count = turns.reduce((sum, one) => sum + one, 0);
  let seen = 0;
  const tenths = turns.findIndex((one) => (seen += one) >= part * count);
  return tenths / 10;
}

process.on('exit', () => {
  const [p50Ms, p99Ms, p999Ms, maxMs] = [0.5, 0.99, 0.999, 1].map(percentile);
  writeFileSync(
    process.env.LOOP_LAG_FILE,
    JSON.stringify({ p50Ms, p99Ms, p999Ms, maxMs, peakRss, cpuSeconds: allCpuSeconds() }),
  );
});
