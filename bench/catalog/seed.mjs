import { createHash, randomUUID } from 'node:crypto';
import { ChunksRepository, encodeRoots, engine } from '../holdfast-code.mjs';
import { Changes, makeTree } from './shape.mjs';

const ROWS_PER_WRITE = 20_000;
const ROWS_PER_STATEMENT = 1_000;
const FIRST_STAMP_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const PACK_NO = 1;
/** Of what changes rarely, one in so many is deleted instead, and comes back with its next change. */
const DELETED_ONE_IN = 200;
const DELETED = 1;

const int = (name) => ({ name, type: 'int' });
const text = (name) => ({ name, type: 'text' });
const bytes = (name) => ({ name, type: 'bytes' });
const PATH = [int('no'), int('task_no'), int('parent_no'), bytes('name')];
const VERSION = [
  ...['task_no', 'path_no', 'first_run', 'last_run', 'kind', 'size'].map(int),
  ...['content_no', 'content_since', 'exists_since', 'end_reason'].map(int),
  ...['entry', 'detect'].map(bytes),
];

const ids = [];

/** What a seeded chunk is: everything follows from its index. */
export function contentAt(index) {
  ids[index] ??= createHash('sha256').update(`chunk ${index}`).digest();
  return { id: ids[index], height: 0, size: 300 + ((index * 7_919) % 60_000) };
}

/** Gives the domain `count` chunks. Returns their numbers by index. */
export async function seedChunks(database, domainNo, count) {
  const chunks = new ChunksRepository();
  const numbers = new Float64Array(count);
  for (let start = 0; start < count; start += ROWS_PER_WRITE) {
    const keys = Array.from({ length: Math.min(ROWS_PER_WRITE, count - start) }, (_, at) => contentAt(start + at));
    const rows = keys.map((key, at) => ({
      ...key,
      packNo: PACK_NO,
      blockOffset: 16 + at * 700,
      blockLength: 30_000,
      chunkOffset: (at % 20) * 1_500,
      chunkLength: key.size,
    }));
    const inserted = await database.write('packs.live', (tx) => chunks.insertChunks(tx, domainNo, rows));
    for (const [at, key] of keys.entries()) numbers[start + at] = inserted.get(engine.keyString(key)).no;
  }
  return numbers;
}

/**
 * A task with its runs, all committed: rows are inserted run by run, so that they lie where runs would have put them. What
 * is left out: nothing is looked up, rows are inserted with the end that later runs gave them (so PostgreSQL has no dead
 * rows of closed versions), and there are no manifests.
 */
export async function seedTask(database, { clientNo, shape, chunkNos }) {
  const tree = makeTree(shape);
  const task = await insertTask(database, clientNo, shape);
  const baseNo = await insertPaths(database, task.no, tree);
  const changes = new Changes(tree);
  const rows = new VersionRows({ taskNo: task.no, tree, baseNo, chunkNos });
  let written = 0;
  for (const run of runsOf(shape, tree, changes)) {
    await inWrites(database, run.nodes.length, async (tx, start, end) => {
      for (let from = start; from < end; from += ROWS_PER_STATEMENT) {
        const slice = rows.of(run, from, Math.min(end, from + ROWS_PER_STATEMENT));
        await tx.insertMany('file_versions', VERSION, slice);
        written += slice.length;
      }
    });
  }
  return { ...task, ...shape, tree, changes, written };
}

/** Which nodes each run wrote, and which run wrote or deleted them next (negative: deleted). */
function runsOf({ runs, versions }, tree, changes) {
  const later = runs - 1;
  const each = Math.ceil((versions - tree.size) / later);
  const lists = Array.from({ length: later }, (_, at) => ({ number: at + 2, nodes: changes.of(at + 2, each) }));
  lists.unshift({ number: 1, nodes: Array.from({ length: tree.size }, (_, node) => node) });
  const next = new Int32Array(tree.size);
  for (const run of lists.toReversed()) {
    run.nodes = Int32Array.from(run.nodes);
    run.ends = run.nodes.map((node) => next[node]);
    for (const node of run.nodes) next[node] = isDeletion(run.number, node) ? -run.number : run.number;
  }
  return lists;
}

function isDeletion(number, node) {
  return number > 1 && (node + number) % DELETED_ONE_IN === 0;
}

async function insertTask(database, clientNo, { name, runs, files }) {
  const id = randomUUID();
  const runIds = Array.from({ length: runs }, () => randomUUID());
  return database.write('tasks.open', async (tx) => {
    const createdAt = FIRST_STAMP_MS - 1;
    await tx.run(
      `insert into tasks (id, client_no, name, head_run, last_run_number, last_stamp, created_at) values (?, ?, ?, ?, ?, ?, ?)`,
      [id, clientNo, name, runs, runs, FIRST_STAMP_MS + runs * DAY_MS, createdAt],
    );
    const { no } = await tx.get('select no from tasks where id = ?', [id]);
    const columns = [
      ...['task_no', 'number', 'lease_until', 'started_at', 'ended_at', 'stamp', 'parent_run', 'files'].map(int),
      ...['id', 'state', 'outcome', 'platform', 'chunker', 'excludes'].map(text),
      ...['token_hash', 'chain_digest', 'roots'].map(bytes),
    ];
    const digest = Buffer.alloc(32);
    const roots = encodeRoots([Buffer.from('/srv')]);
    const rows = runIds.map((runId, at) => {
      const stamp = FIRST_STAMP_MS + (at + 1) * DAY_MS;
      return [
        ...[no, at + 1, stamp, stamp - 60_000, stamp, stamp, at === 0 ? null : at, files],
        ...[runId, 'succeeded', 'succeeded', 'linux', engine.CHUNKER_ID, '[]'],
        ...[digest, digest, roots],
      ];
    });
    await tx.insertMany('runs', columns, rows);
    return { no, id, runIds };
  });
}

/** Returns what is added to a node for its number. */
async function insertPaths(database, taskNo, tree) {
  const { last } = await database.read((sql) => sql.get('select coalesce(max(no), 0) as last from paths'));
  const baseNo = last + 1;
  const numberOf = (node) => (node < 0 ? 0 : baseNo + node);
  await inWrites(database, tree.size, async (tx, start, end) => {
    for (let from = start; from < end; from += ROWS_PER_STATEMENT) {
      const rows = [];
      for (let node = from; node < Math.min(end, from + ROWS_PER_STATEMENT); node += 1)
        rows.push([numberOf(node), taskNo, numberOf(tree.parents[node]), Buffer.from(tree.names[node])]);
      await tx.insertMany('paths', PATH, rows);
    }
  });
  if (database.dialect === 'postgres')
    await database.write('runs.batch', (tx) =>
      tx.all(`select setval(pg_get_serial_sequence('paths', 'no'), max(no)) from paths`),
    );
  return baseNo;
}

async function inWrites(database, count, write) {
  for (let start = 0; start < count; start += ROWS_PER_WRITE)
    await database.write('runs.batch', (tx) => write(tx, start, Math.min(count, start + ROWS_PER_WRITE)));
}

class VersionRows {
  constructor({ taskNo, tree, baseNo, chunkNos }) {
    Object.assign(this, { taskNo, baseNo, chunkNos });
    this.isFile = new Uint8Array(tree.size);
    for (const node of tree.files) this.isFile[node] = 1;
  }

  of({ number, nodes, ends }, start, end) {
    const rows = [];
    for (let at = start; at < end; at += 1) {
      const node = nodes[at];
      if (!isDeletion(number, node)) rows.push(this.row(node, number, ends[at]));
    }
    return rows;
  }

  row(node, number, ending) {
    const index = (node * 31 + number * 17) % this.chunkNos.length;
    const isFile = this.isFile[node] === 1;
    const entry = isFile ? fileEntry(index, number) : directoryEntry(number);
    const lastRun = ending === 0 ? null : Math.abs(ending);
    return [
      ...[this.taskNo, this.baseNo + node, number, lastRun, isFile ? 1 : 2, entry.size],
      ...[isFile ? this.chunkNos[index] : null, number, 1, ending < 0 ? DELETED : null],
      ...[engine.encodeEntry(entry), detectionOf(node, number)],
    ];
  }
}

/** A file as it was after run `number`, with the chunk of this index as its content. */
export function fileEntry(index, number) {
  const content = contentAt(index);
  const mtimeNs = BigInt(FIRST_STAMP_MS + number * DAY_MS) * 1_000_000n + BigInt(index);
  return { kind: 'file', size: content.size, mtimeNs, mode: 0o644, uid: 1000, gid: 1000, content };
}

export function directoryEntry(number) {
  const mtimeNs = BigInt(FIRST_STAMP_MS + number * DAY_MS) * 1_000_000n;
  return { kind: 'directory', size: 0, mtimeNs, mode: 0o755, uid: 1000, gid: 1000, content: null };
}

export function detectionOf(node, number) {
  const ctimeNs = BigInt(FIRST_STAMP_MS + number * DAY_MS) * 1_000_000n + BigInt(node);
  return engine.encodeDetection({ ctimeNs, inode: BigInt(node + 100), device: 64_769n, isMount: false, isRacy: false });
}
