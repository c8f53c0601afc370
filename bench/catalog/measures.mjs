import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT } from '../engines/holdfast.mjs';
import { cpuSeconds, forgetPeak, measure, peakBytes } from '../processes.mjs';
import { allOf, encodeBatches, newContentOf, sendBatches, startRun } from './agent-run.mjs';
import { makeTree } from './shape.mjs';

const SMALL_READS = 200;
const SMALL_COMMIT = 1_000;
const TRAILER_BYTES = 40;
/** The database's own processes go on for a moment after an answer. */
const SETTLE_MS = 300;

/**
 * What is asked of the catalog, in this order. Each `run` returns how many of `unit` it did, and may return seconds that
 * it took itself (the first page of a stream). `place` holds the server, the API of an enrolled agent and the seeded tasks.
 */
export const MEASURES = [
  {
    key: 'firstRun',
    title: 'first run: batches of 500 over HTTP, into a new task',
    unit: 'versions',
    prepare: prepareFirstRun,
    run: sendPrepared,
  },
  { key: 'firstRunCommit', title: 'its commit, with the manifest', unit: 'versions', run: commitPrepared },
  {
    key: 'nextRun',
    title: 'next run: changed files all over the large task',
    unit: 'versions',
    prepare: (place) => prepareNextRun(place, Math.round(place.versions / 100)),
    run: sendPrepared,
  },
  { key: 'nextRunCommit', title: 'its commit, with the manifest', unit: 'versions', run: commitPrepared },
  {
    key: 'smallRun',
    title: 'run of 1,000 changes in the large task: batches and commit',
    unit: 'versions',
    prepare: (place) => prepareNextRun(place, SMALL_COMMIT),
    run: async (place) => {
      await sendPrepared(place);
      return commitPrepared(place);
    },
  },
  {
    key: 'bigDirectoryFirst',
    title: 'browse the large directory: until the first page is there',
    unit: 'pages',
    run: async (place) => {
      const startedAt = performance.now();
      for await (const bytes of listing(place, '/srv/archive')) if (bytes.length > 0) break;
      return { count: 1, seconds: (performance.now() - startedAt) / 1_000 };
    },
  },
  {
    key: 'bigDirectory',
    title: 'browse the large directory: all of it',
    unit: 'entries',
    run: async (place) => ({ count: await recordsOf(listing(place, '/srv/archive')) }),
  },
  {
    key: 'smallDirectories',
    title: 'browse small directories, one after the other',
    unit: 'directories',
    run: async (place) => {
      const { tree } = place.large;
      for (let at = 0; at < SMALL_READS; at += 1) {
        const file = tree.files[(at * 7_919_123) % tree.files.length];
        const directory = tree.pathOf(tree.parents[file]);
        // The large one is measured by itself.
        await recordsOf(listing(place, directory === '/srv/archive' ? '/srv/projects' : directory));
      }
      return { count: SMALL_READS };
    },
  },
  {
    key: 'snapshot',
    title: 'list a whole snapshot of the large task',
    unit: 'entries',
    run: async ({ api, large }) => ({ count: await recordsOf(api.entries(large.runIds.at(-1), Buffer.from('/'))) }),
  },
  {
    key: 'index',
    title: 'index of its head, as an agent fetches it that lost its own',
    unit: 'entries',
    run: async ({ api, large }) => ({ count: await recordsOf(api.taskIndex(large.id)) }),
  },
  {
    key: 'history',
    title: 'history of one path of many versions, one after the other',
    unit: 'paths',
    run: async ({ api, large: { tree, changes } }) => {
      for (let at = 0; at < SMALL_READS; at += 1) {
        const node = changes.hot[(at * 104_729) % changes.hot.length];
        await api.history(Buffer.from(tree.pathOf(node)));
      }
      return { count: SMALL_READS };
    },
  },
  {
    key: 'versions',
    title: 'all versions of the large task, streamed',
    unit: 'versions',
    run: async ({ api, large }) => ({ count: await recordsOf(api.versions(large.id)) }),
  },
  {
    key: 'diff',
    title: '`holdfast diff` of two snapshots of the large task',
    unit: 'entries',
    run: async (place) => {
      const { large } = place;
      const middle = large.runIds[Math.floor(large.runs / 2)];
      const agent = await holdfast(place, 'diff', middle, large.runIds.at(-1));
      return { count: 2 * large.tree.size, agent };
    },
  },
  {
    key: 'find',
    title: '`holdfast find --all` over all versions of all tasks',
    unit: 'versions',
    run: async (place) => {
      const agent = await holdfast(place, 'find', 'scan-*7777-original.tiff', '--all');
      return { count: place.tasks.reduce((sum, { written }) => sum + written, 0), agent };
    },
  },
];

/** @returns {Promise<object>} by key: count, seconds, CPU of server, database and agent, peak memory of server and agent */
export async function measureAll(place, say) {
  const results = {};
  for (const { key, title, prepare, run } of MEASURES) {
    await prepare?.(place);
    results[key] = await measureOne(place, () => run(place));
    say(`  ${title}: ${results[key].seconds.toFixed(3)} s`);
  }
  return results;
}

async function measureOne({ serverPid, database }, run) {
  forgetPeak(serverPid);
  const cpu = () => ({ server: cpuSeconds(serverPid), database: database.cpuSeconds() });
  const before = cpu();
  const startedAt = performance.now();
  const { count, seconds, agent } = await run();
  const took = (performance.now() - startedAt) / 1_000;
  await sleep(SETTLE_MS);
  const after = cpu();
  return {
    count,
    seconds: seconds ?? agent?.seconds ?? took,
    serverCpuSeconds: after.server - before.server,
    databaseCpuSeconds: after.database - before.database,
    serverPeakBytes: peakBytes(serverPid),
    agentCpuSeconds: agent?.clientCpuSeconds ?? null,
    agentPeakBytes: agent?.peakBytes ?? null,
  };
}

function listing({ api, large }, path) {
  return api.listing(large.runIds.at(-1), Buffer.from(path));
}

/** How many records a stream says that it had; its end is what proves that it was whole. */
async function recordsOf(stream) {
  let end = Buffer.alloc(0);
  for await (const bytes of stream) end = bytes.length >= TRAILER_BYTES ? bytes : Buffer.concat([end, bytes]);
  return Number(end.readBigUInt64LE(end.length - TRAILER_BYTES));
}

function holdfast({ env }, ...args) {
  return measure({ file: AGENT, args: [...args, '--json'], env });
}

async function prepareFirstRun(place) {
  const files = Math.round(place.versions / 100);
  const tree = makeTree({ files, bigFiles: Math.round(files / 10) });
  const task = await place.api.openTask('first run');
  await prepare(place, task.id, allOf(tree, { chunkCount: place.chunkCount, number: 1 }));
}

async function prepareNextRun(place, count) {
  const { large, chunkCount } = place;
  place.lastNumber += 1;
  const nodes = large.changes.of(place.lastNumber, count);
  await prepare(place, large.id, newContentOf(large.tree, nodes, { chunkCount, number: place.lastNumber }));
}

async function prepare(place, taskId, changes) {
  place.batches = encodeBatches(changes);
  place.prepared = await startRun(place.api, taskId);
}

async function sendPrepared(place) {
  place.request = await sendBatches(place.api, place.prepared, place.batches);
  return { count: place.request.changes };
}

async function commitPrepared(place) {
  const { snapshotId } = await place.api.commit(place.prepared, place.request);
  if (snapshotId !== undefined && snapshotId !== place.prepared.runId) throw new Error('another run was committed');
  return { count: place.request.changes };
}
