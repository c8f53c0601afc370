import { createHash, randomUUID } from 'node:crypto';
import { CatalogWriteRepository, ChunksRepository, encodeRoots, engine } from '../holdfast-code.mjs';
import { Changes, makeTree } from './shape.mjs';

const ROWS_PER_WRITE = 20_000;
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

/** What a seeded chunk is: everything follows from its index. */
export function contentAt(index) {
  return {
    id: createHash('sha256').update(`chunk ${index}`).digest(),
    height: 0,
    size: 300 + ((index * 7_919) % 60_000),
  };
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
 * A task with its runs, all committed: the first writes every path, each later one closes and writes what it changed,
 * through the statements of the real batches and in their order (so that rows lie where runs would have put them). What is
 * left out: paths and chunks are not looked up, and there are no manifests.
 */
export async function seedTask(database, { clientNo, shape, chunkNos }) {
  const tree = makeTree(shape);
  const task = await insertTask(database, clientNo, shape);
  const baseNo = await insertPaths(database, task.no, tree);
  const writer = new VersionWriter(database, { task, tree, baseNo, chunkNos });
  await writer.writeAll();
  const changes = new Changes(tree);
  const later = shape.runs - 1;
  for (let run = 2; run <= shape.runs; run += 1) {
    const left = shape.versions - writer.written;
    await writer.change(run, changes.of(run, Math.ceil(left / (later - run + 2))));
  }
  return { ...task, ...shape, tree, changes, written: writer.written };
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
    for (let from = start; from < end; from += 1_000) {
      const rows = [];
      for (let node = from; node < Math.min(end, from + 1_000); node += 1)
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

class VersionWriter {
  versions = new CatalogWriteRepository();
  written = 0;

  constructor(database, { task, tree, baseNo, chunkNos }) {
    Object.assign(this, { database, task, tree, baseNo, chunkNos });
    this.isFile = new Uint8Array(tree.size);
    for (const node of tree.files) this.isFile[node] = 1;
    this.isGone = new Uint8Array(tree.size);
  }

  async writeAll() {
    const run = { taskNo: this.task.no, number: 1 };
    await inWrites(this.database, this.tree.size, (tx, start, end) =>
      this.versions.insert(
        tx,
        run,
        Array.from({ length: end - start }, (_, at) => this.versionOf(start + at, 1)),
      ),
    );
    this.written += this.tree.size;
  }

  async change(number, nodes) {
    const run = { taskNo: this.task.no, number };
    await inWrites(this.database, nodes.length, async (tx, start, end) => {
      const closings = [];
      const versions = [];
      for (const node of nodes.slice(start, end)) {
        const isDeletion = this.isGone[node] === 0 && (node + number) % DELETED_ONE_IN === 0;
        if (this.isGone[node] === 0) closings.push({ pathNo: this.baseNo + node, reason: isDeletion ? DELETED : null });
        this.isGone[node] = isDeletion ? 1 : 0;
        if (!isDeletion) versions.push(this.versionOf(node, number));
      }
      await this.versions.close(tx, run, closings);
      await this.versions.insert(tx, run, versions);
      this.written += versions.length;
    });
  }

  versionOf(node, number) {
    const index = (node * 31 + number * 17) % this.chunkNos.length;
    const entry = this.isFile[node] === 1 ? fileEntry(index, number) : directoryEntry(number);
    return {
      pathNo: this.baseNo + node,
      kind: this.isFile[node] === 1 ? 1 : 2,
      size: entry.size,
      contentNo: entry.content === null ? null : this.chunkNos[index],
      xattrsNo: null,
      contentSince: number,
      existsSince: 1,
      entry: engine.encodeEntry(entry),
      detect: detectionOf(node, number),
    };
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
