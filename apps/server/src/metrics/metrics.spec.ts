import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parse } from 'yaml';
import { API, type StartRunAnswer } from '#common';
import { AppModule } from '../app.module';
import { Database } from '../database/database';
import { enrol, newUser, signIn } from '../fleet/testing';
import { problemFrom, type TestServer, TestServers } from '../http/testing';

const MONITORING = join(__dirname, '../../../../deploy/monitoring');
const TOKEN = 'a token of the scraper';
/** Prometheus' own, about the scrape itself. */
const OF_PROMETHEUS = ['up'];
const FUNCTIONS = [
  'max',
  'min',
  'sum',
  'by',
  'time',
  'rate',
  'delta',
  'increase',
  'histogram_quantile',
  'and',
  'or',
  'le',
];

/** Names of metrics that a query asks for: what is neither function nor label. */
function metricsOf(query: string): string[] {
  const bare = query
    .replace(/\{[^}]*\}/g, '')
    .replace(/\bby \([^)]*\)/g, '')
    .replace(/\[[^\]]*\]/g, '');
  return [...bare.matchAll(/[a-z_][a-z0-9_]*/gi)].map(([word]) => word).filter((word) => !FUNCTIONS.includes(word));
}

/** Labels by which a query chooses or groups. */
function labelsOf(query: string): string[] {
  const chosen = [...query.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside = '']) => [
    ...inside.matchAll(/([a-z_]+)\s*[=!]/g),
  ]);
  const grouped = [...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, inside = '']) => inside.split(','));
  const names = [...chosen.map(([, name = '']) => name), ...grouped.map((name) => name.trim())];
  return names.filter((name) => !['instance', 'job'].includes(name));
}

const textOf = (file: string): string => readFileSync(join(MONITORING, file), 'utf8');
const dashboard = JSON.parse(textOf('grafana-dashboard.json')) as {
  panels: { title: string; targets: { expr: string; legendFormat: string }[] }[];
};
const rules = (
  parse(textOf('alerts.yml')) as { groups: { rules: { alert: string; expr: string; annotations: object }[] }[] }
).groups.flatMap((group) => group.rules);

describe('GET /metrics', () => {
  const servers = new TestServers();
  let server: TestServer;
  let text: string;

  const scrape = (headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.url + API.metrics, { headers });
  const valueOf = (series: string): number => {
    const line = text.split('\n').find((found) => found.startsWith(`${series} `));
    if (line === undefined) throw new Error(`no ${series} in:\n${text}`);
    return Number(line.slice(series.length + 1));
  };

  beforeAll(async () => {
    server = await servers.start({
      imports: (parts) => [AppModule.with(parts)],
      settings: { metricsToken: TOKEN.replaceAll(' ', '-'), logLevel: 'debug' },
    });
    const owner = await newUser(server, 'owner', 'user');
    const machine = await enrol(server, owner, 'pc');
    await enrol(server, owner, 'idle');
    const task = await machine.openTask('default');
    await machine.finish((await machine.start(task.id)).body as StartRunAnswer);
    await machine.start(task.id);
    const other = await machine.openTask('other');
    await machine.finish((await machine.start(other.id)).body as StartRunAnswer, 'partial');
    await fetch(`${server.url}/no/such/route`);
    const root = await signIn(server);
    const { no } = (await root.post('/api/maintenance/retention')).body as { no: number };
    for (;;) {
      const { runs } = (await root.get(API.maintenance)).body as { runs: { no: number; outcome: string | null }[] };
      if (runs.find((run) => run.no === no)?.outcome !== null) break;
    }
    const answer = await scrape({ authorization: `Bearer ${server.settings.metricsToken!}` });
    expect(answer.status).toBe(200);
    text = await answer.text();
  });
  afterAll(() => servers.stopAll());

  it('is closed to whoever neither has the token nor calls from a named address', async () => {
    await expect(problemFrom(await scrape())).resolves.toMatchObject({ code: 'unauthenticated' });
    await expect(problemFrom(await scrape({ authorization: 'Bearer wrong' }))).resolves.toMatchObject({ status: 401 });
    const { token } = await signIn(server);
    await expect(problemFrom(await scrape({ authorization: `Bearer ${token}` }))).resolves.toMatchObject({
      status: 401,
    });
  });

  it('counts requests by the pattern of their route, so that nobody makes series', () => {
    expect(text).toContain('route="/api/clients/register",status="201"');
    expect(text).toContain('route="none",status="404"');
    expect(text).not.toContain('/no/such/route');
    expect(valueOf('holdfast_http_received_bytes_total')).toBeGreaterThan(100);
    expect(valueOf('holdfast_http_sent_bytes_total')).toBeGreaterThan(100);
    expect(valueOf('holdfast_http_requests_in_flight')).toBe(1);
  });

  it('tells runs, clients, storage, jobs and checks', () => {
    expect(valueOf('holdfast_runs{state="succeeded"}')).toBe(1);
    expect(valueOf('holdfast_runs{state="running"}')).toBe(1);
    expect(valueOf('holdfast_runs{state="failed"}')).toBe(0);
    expect(valueOf('holdfast_client_last_success_timestamp_seconds{client="pc",owner="owner"}')).toBe(
      server.clock.nowMs / 1_000,
    );
    expect(valueOf('holdfast_client_last_success_timestamp_seconds{client="idle",owner="owner"}')).toBe(0);
    expect(valueOf('holdfast_client_created_timestamp_seconds{client="idle",owner="owner"}')).toBe(
      server.clock.nowMs / 1_000,
    );
    expect(valueOf('holdfast_client_failed_tasks{client="pc",owner="owner"}')).toBe(0);
    expect(valueOf('holdfast_client_partial_tasks{client="pc",owner="owner"}')).toBe(1);
    expect(valueOf('holdfast_client_partial_tasks{client="idle",owner="owner"}')).toBe(0);
    expect(valueOf('holdfast_clients{status="offline"}')).toBe(2);
    expect(valueOf('holdfast_storage_call_duration_seconds_count{operation="put"}')).toBeGreaterThan(0);
    expect(valueOf('holdfast_storage_written_bytes_total')).toBeGreaterThan(0);
    expect(valueOf('holdfast_job_failed{task="retention"}')).toBe(0);
    expect(valueOf('holdfast_job_figure{task="retention",figure="tasks"}')).toBe(0);
    expect(valueOf('holdfast_check_failed{check="storage"}')).toBe(0);
    expect(valueOf('holdfast_disk_free_bytes{folder="storage"}')).toBeGreaterThan(0);
    expect(valueOf('holdfast_damaged_chunks')).toBe(0);
    expect(valueOf('holdfast_faulty_packs')).toBe(0);
    expect(valueOf('holdfast_catalog_readable')).toBe(1);
  });

  it.each(['get', 'put', 'stream', 'list'])('counts failures of the storage at %s from nothing on', (operation) => {
    for (const code of ['object-missing', 'corrupt', 'storage-unavailable', 'storage-full'])
      expect(text).toContain(`holdfast_storage_errors_total{operation="${operation}",code="${code}"}`);
  });

  describe.each([
    ['a panel of the dashboard', dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr))],
    ['an alert', rules.map((rule) => rule.expr)],
  ])('has what %s asks for', (_, queries) => {
    it.each(queries)('%s', (query) => {
      const known = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      );
      const asked = metricsOf(query);
      expect(asked.length).toBeGreaterThan(0);
      for (const name of asked) expect([...OF_PROMETHEUS, ...known]).toContain(name);
      const series = text.split('\n').filter((line) => asked.some((name) => line.startsWith(`${name}{`)));
      const labels = series.flatMap((line) => [...line.matchAll(/[{,]([a-z_]+)=/g)].map(([, name]) => name));
      for (const label of labelsOf(query)) expect(labels).toContain(label);
    });
  });

  it('has legends and words of labels that the query leaves', () => {
    const named = (words: string): string[] =>
      [...words.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, name = '']) => name);
    const told = [
      ...dashboard.panels.flatMap((panel) =>
        panel.targets.map(({ expr, legendFormat }) => ({ expr, words: legendFormat })),
      ),
      ...rules
        .filter(({ expr }) => !expr.startsWith('up'))
        .map(({ expr, annotations }) => ({ expr, words: JSON.stringify(annotations) })),
    ];
    for (const { expr, words } of told)
      for (const name of named(words)) expect(expr).toMatch(new RegExp(`by \\([^)]*\\b${name}\\b`));
  });
});

describe('a fleet of more clients than one look reads', () => {
  const servers = new TestServers();
  afterEach(() => servers.stopAll());

  it('is told whole', async () => {
    const settings = { metricsAddresses: ['127.0.0.0/8'] };
    const server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings });
    await server.app.get(Database, { strict: false }).write('clients.register', (tx) =>
      tx.run(
        `with recursive n(i) as (select 1 union all select i + 1 from n where i < 1201)
         insert into clients (id, owner_no, domain_no, name, secret_hash, state, created_at)
         select 'c' || i, u.no, u.domain_no, 'machine ' || i, u.username, 'active', 1 from n cross join users u`,
      ),
    );
    const text = await (await fetch(server.url + API.metrics)).text();
    const told = [...text.matchAll(/^holdfast_client_late\{client="(machine \d+)",owner="root"\} 0$/gm)];
    expect(new Set(told.map(([, name]) => name)).size).toBe(1_201);
    expect(text).toMatch(/^holdfast_clients\{status="never"\} 1201$/m);
  });
});

describe('a task that never ran', () => {
  const servers = new TestServers();
  afterEach(() => servers.stopAll());

  it.each([
    ['of a machine that never reported', false],
    ['of a machine that reports', true],
  ])('makes its client late once its first due time and the grace have passed: %s', async (_words, reports) => {
    const settings = { metricsAddresses: ['127.0.0.0/8'] };
    const server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings });
    const root = await signIn(server);
    const machine = await enrol(server, root, 'pc');
    if (reports) await machine.ping();
    const definition = { paths: ['/data'], schedule: { kind: 'every', everySeconds: 3_600, randomDelaySeconds: 0 } };
    const made = await root.post(API.tasks(machine.id), { name: 'home', ...definition });
    const { id } = made.body as { id: string };
    const taskNow = async (): Promise<unknown> => (await (await signIn(server)).get(API.taskDetail(id))).body;
    server.clock.advance(3_600_000 + server.settings.lateGraceMs - 60_000);
    expect(await taskNow()).toMatchObject({ isLate: false, lastRun: null });
    server.clock.advance(60_000);
    expect(await taskNow()).toMatchObject({ isLate: true, lastRun: null });
    const text = await (await fetch(server.url + API.metrics)).text();
    expect(text).toMatch(/^holdfast_client_late\{client="pc",owner="root"\} 1$/m);
    expect(text).toMatch(/^holdfast_client_last_success_timestamp_seconds\{client="pc",owner="root"\} 0$/m);
  });
});

describe('damage', () => {
  const servers = new TestServers();
  afterEach(() => servers.stopAll());

  it('is told as it stands in the catalog, whichever process found it', async () => {
    const settings = { metricsAddresses: ['127.0.0.0/8'] };
    const server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings });
    await server.app.get(Database, { strict: false }).write('scrub.progress', async (tx) => {
      const pack = 'insert into packs (no, key, state, task_no, run_number, created_at, changed_at, fault)';
      await tx.run(`${pack} values (1, 'one', 'live', 1, 1, 1, 1, 'its index is damaged'),
        (2, 'two', 'live', 1, 1, 1, 1, null), (3, 'three', 'dead', 1, 1, 1, 1, 'its index is damaged')`);
      const chunk =
        'insert into chunks (id, height, domain_no, size, pack_no, block_offset, block_length, chunk_offset, chunk_length, damaged)';
      await tx.run(`${chunk} values (x'00', 0, 1, 10, 2, 16, 10, 0, 10, 1), (x'01', 0, 1, 10, 2, 16, 10, 0, 10, 1),
        (x'02', 0, 1, 10, 2, 30, 10, 0, 10, 0)`);
    });
    const text = await (await fetch(server.url + API.metrics)).text();
    expect(text).toMatch(/^holdfast_damaged_chunks 2$/m);
    expect(text).toMatch(/^holdfast_faulty_packs 1$/m);
    expect(text).toMatch(/^holdfast_check_failed\{check="damage"\} 1$/m);
  });
});

describe('connections that are refused', () => {
  const servers = new TestServers();
  afterEach(() => servers.stopAll());

  it('are counted, from nothing on', async () => {
    const settings = { maxConnections: 1, metricsAddresses: ['127.0.0.0/8'] };
    const server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings });
    const port = Number(new URL(server.url).port);
    const refused = async (): Promise<string[]> => {
      const headers = { connection: 'close' };
      const text = await (await fetch(server.url + API.metrics, { headers })).text();
      return [...text.matchAll(/^holdfast_http_connections_refused_total(.*)$/gm)].map(([, found = '']) => found);
    };
    const perAddress = '{limit="MAX_CONNECTIONS_PER_ADDRESS"} 0';
    expect(await refused()).toEqual(['{limit="MAX_CONNECTIONS"} 0', perAddress]);
    const [first, second] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
    await once(second, 'close');
    first.destroy();
    // Until the server has seen that the first one left, it takes no other, this one neither.
    let counted: string[] = [];
    while (counted.length === 0) counted = await refused().catch(() => []);
    expect(counted).toEqual([expect.stringMatching(/^\{limit="MAX_CONNECTIONS"\} [1-9]/), perAddress]);
  });
});

describe('METRICS_ADDRESSES', () => {
  const servers = new TestServers();
  afterEach(() => servers.stopAll());

  it.each([
    [{ metricsAddresses: ['127.0.0.0/8'] }, {}, 200],
    [{ metricsAddresses: ['10.0.0.0/8'] }, {}, 401],
    // Whoever stands behind a proxy that nobody told us of may be anybody.
    [{ metricsAddresses: ['127.0.0.0/8'] }, { 'x-forwarded-for': '203.0.113.9' }, 401],
    [{ metricsAddresses: ['203.0.113.9'], trustProxy: 1 }, { 'x-forwarded-for': '203.0.113.9' }, 200],
    [{ metricsAddresses: ['127.0.0.1'], trustProxy: 1 }, { 'x-forwarded-for': '203.0.113.9' }, 401],
    [{}, {}, 401],
  ])('%j: who calls with %j is answered %i', async (settings, headers, status) => {
    const server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings });
    expect((await fetch(server.url + API.metrics, { headers })).status).toBe(status);
  });
});
