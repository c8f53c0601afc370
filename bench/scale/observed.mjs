import { cpuSeconds, peakBytes } from '../processes.mjs';

const MIB = 1024 * 1024;

/** What servers and database use in a phase. */
export class Observed {
  constructor(servers, database, metricsToken) {
    Object.assign(this, { servers, database, metricsToken });
  }

  async begin() {
    // Each reading begins the event loop's account anew.
    for (const { url } of this.servers) await this.lag(url);
    this.before = {
      servers: this.servers.map(({ child }) => cpuSeconds(child.pid)),
      database: this.database.cpuSeconds(),
    };
  }

  async end(seconds) {
    const servers = [];
    for (const [at, { url, child }] of this.servers.entries()) {
      const cpu = cpuSeconds(child.pid) - this.before.servers[at];
      servers.push({ cpuSeconds: cpu, peakMiB: peakBytes(child.pid) / MIB, ...(await this.lag(url)) });
    }
    return { seconds, servers, databaseCpuSeconds: this.database.cpuSeconds() - this.before.database };
  }

  /** How long the event loop was held beyond its 10 ms timer since the last reading, in milliseconds. */
  async lag(url) {
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${this.metricsToken}` } });
    if (!answer.ok) throw new Error(`/metrics: ${answer.status}`);
    const text = await answer.text();
    const of = (name) =>
      1_000 * Number(new RegExp(`^\\S*nodejs_eventloop_lag_${name}_seconds (\\S+)`, 'm').exec(text)?.[1]);
    return { lagP99Ms: of('p99'), lagMostMs: of('max') };
  }
}

export function describeServers({ name, seconds, servers, databaseCpuSeconds, latencies }) {
  const rate = latencies.count / seconds;
  console.log(`${name}: ${seconds.toFixed(1)} s, ${rate.toFixed(0)} calls a second`);
  for (const call of latencies.names()) {
    const { count, p50, p99, most } = latencies.summary(call);
    console.log(
      `    ${call}: ${count}, p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, most ${most.toFixed(0)} ms`,
    );
  }
  for (const [at, { cpuSeconds: cpu, peakMiB, lagP99Ms, lagMostMs }] of servers.entries()) {
    const load = `${cpu.toFixed(1)} s CPU (${((100 * cpu) / seconds).toFixed(0)} % of a core), peak ${peakMiB.toFixed(0)} MiB`;
    console.log(
      `    server ${at + 1}: ${load}, event loop held p99 ${lagP99Ms.toFixed(0)} ms, most ${lagMostMs.toFixed(0)} ms`,
    );
  }
  console.log(`    PostgreSQL: ${databaseCpuSeconds.toFixed(1)} s CPU`);
  for (const [text, count] of latencies.errors) console.log(`    ${count} times: ${text}`);
}
