import {
  type ContentRef,
  decodeBlock,
  decodeEntry,
  decodeEntryRecord,
  decodeRecords,
  keyString,
  NO_POLICY,
  type PlainChunk,
  readBlocks,
} from '#engine';
import type { PersonIdentity } from '../users/person-identity';
import { type TestDatabase, TestClock, TestUptime } from '../database/testing';
import type { DeletionGuard } from '../guards/deletion-guard';
import { guardOn } from '../guards/guards.testing';
import { RepositoryIdentity } from '../storage/repository-identity';
import { blocksOf, dataChunk, IngestBench, inPieces, listsOver, sized } from './ingest.testing';
import type { ReclaimService } from './reclaim.service';
import { reclaimOn } from './reclaim.testing';
import { close, codeOf, directory, fileOf, type TestAgent, TestServer, WatchedStorage } from './runs.testing';

const DOMAIN = 1;
const ADMIN = {
  userId: '00000000-0000-4000-8000-000000000000',
  username: 'root',
  address: null,
} as unknown as PersonIdentity;

/** What a file may hold: one chunk, or three and the lists over them. Chunks are shared among contents. */
export interface Content {
  readonly ref: ContentRef;
  readonly chunks: readonly PlainChunk[];
  readonly bytes: Buffer;
}

export const CONTENTS: readonly Content[] = Array.from({ length: 9 }, (_, at) => contentNo(at));
export const PATHS = ['/a', '/b', '/c', '/d'] as const;

/** Path to number of content; what is absent was deleted. */
export type Tree = ReadonlyMap<string, number>;

interface Open {
  readonly tree: Tree;
  isSent: boolean;
}

/** One machine, as the model knows it. */
export class ModelAgent {
  /** Snapshots that were acknowledged, oldest first. */
  readonly snapshots: { readonly runId: string; readonly tree: Tree }[] = [];
  open: Open | null = null;
  isLimited = false;

  constructor(
    readonly agent: TestAgent,
    readonly taskNo: number,
  ) {}

  get head(): Tree {
    return this.snapshots.at(-1)?.tree ?? new Map<string, number>();
  }
}

/** A server that dies at a write: every write after that fails too, until the services are made anew. */
class Death {
  private left = 0;
  private isDead = false;

  after(writes: number): void {
    this.left = writes;
    this.isDead = false;
  }

  get came(): boolean {
    return this.isDead;
  }

  revive(): void {
    this.left = 0;
    this.isDead = false;
  }

  pass(): void {
    if (this.isDead) throw new Error('killed');
    if (this.left === 0) return;
    this.left -= 1;
    if (this.left > 0) return;
    this.isDead = true;
    throw new Error('killed');
  }
}

/** Real services on one database and one storage, and a clock that may leap. */
export class ModelWorld {
  readonly death = new Death();
  readonly agents: ModelAgent[] = [];
  server!: TestServer;
  guard!: DeletionGuard;
  private bench!: IngestBench;
  private reclaim!: ReclaimService;
  private readonly passed = new TestClock();

  private constructor(
    readonly db: TestDatabase,
    readonly storage: WatchedStorage,
  ) {}

  static async open(db: TestDatabase, storage: WatchedStorage): Promise<ModelWorld> {
    const world = new ModelWorld(db, storage);
    const hit = db.killPoints.hit.bind(db.killPoints);
    db.killPoints.hit = (point) => {
      world.death.pass();
      hit(point);
    };
    storage.beforePut = () => {
      world.death.pass();
    };
    storage.afterPut = storage.beforePut;
    await new RepositoryIdentity(db.database, storage).verify();
    await world.start();
    for (const clientNo of [1, 2]) world.agents.push(new ModelAgent(await world.server.agent(clientNo), clientNo));
    return world;
  }

  /** A new process on what is there. */
  async start(): Promise<void> {
    const { db, storage } = this;
    const { database } = db;
    this.death.revive();
    this.guard = guardOn(database, storage, new TestUptime(this.passed));
    this.server = new TestServer(database, storage, this.guard);
    this.bench = IngestBench.on(db, storage);
    this.reclaim = reclaimOn(database, storage, this.guard, { settings: this.server.settings }).service;
    for (const { agent } of this.agents) agent.use(this.server);
    await this.server.retention.service.onModuleInit();
    await codeOf(this.guard.assertSafe());
    await this.tick();
  }

  tick(): Promise<void> {
    return this.server.scheduler.tick();
  }

  pass(ms: number): void {
    this.passed.advance(ms);
    this.db.clock.advance(ms);
  }

  leap(ms: number): void {
    this.db.clock.advance(ms);
  }

  async reclaimPass(): Promise<string> {
    return codeOf(this.reclaim.run({ isDryRun: false, signal: new AbortController().signal }));
  }

  async acknowledge(): Promise<void> {
    for (const { kind, state } of await this.guard.state()) await this.guard.acknowledge(ADMIN, kind, state);
  }

  async limit(machine: ModelAgent, versions: number): Promise<void> {
    machine.isLimited = true;
    await this.server.database.write('retention.policy', (tx) =>
      this.server.retention.policies.replace(tx, 'tasks', machine.taskNo, { ...NO_POLICY, versions }),
    );
  }

  /** Starts a run towards this tree and uploads what is missing for it. */
  async begin(machine: ModelAgent, tree: Tree): Promise<void> {
    await machine.agent.start();
    machine.open = { tree, isSent: false };
    await this.upload(machine);
  }

  async finish(machine: ModelAgent): Promise<void> {
    const { agent, open } = machine;
    if (open === null) return;
    if (!open.isSent) {
      const changes = PATHS.flatMap((path) => {
        const [before, after] = [machine.head.get(path), open.tree.get(path)];
        if (before === after) return [];
        const content = after === undefined ? undefined : CONTENTS[after];
        return [content === undefined ? close(path) : fileOf(path, content.ref)];
      });
      const isFirst = machine.snapshots.length === 0;
      await agent.send(...(isFirst ? [directory('/')] : []), ...changes);
      open.isSent = true;
    }
    await agent.commit();
    this.noteCommit(machine);
  }

  noteCommit(machine: ModelAgent): void {
    if (machine.open === null) return;
    machine.snapshots.push({ runId: machine.agent.run.runId, tree: machine.open.tree });
    machine.open = null;
  }

  private async upload({ agent, open }: ModelAgent): Promise<void> {
    const wanted = new Map<string, PlainChunk>();
    for (const no of open?.tree.values() ?? []) {
      for (const chunk of CONTENTS[no]?.chunks ?? []) wanted.set(keyString(chunk), chunk);
    }
    const missing = await this.bench.ingest.missing(agent.grant, [...wanted.values()]);
    const chunks = missing.flatMap((key) => wanted.get(keyString(key)) ?? []).sort((a, b) => a.height - b.height);
    if (chunks.length === 0) return;
    await this.bench.ingest.receivePack(agent.grant, inPieces(Buffer.concat(blocksOf(chunks))));
  }

  /** What a restore of the snapshot yields. Throws when a byte of it cannot be had. */
  async restore({ agent }: ModelAgent, runId: string): Promise<Map<string, Buffer>> {
    const stream = await this.server.snapshots.entries(agent.identity.clientNo, runId, Buffer.from('/'));
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part);
    const files = new Map<string, Buffer>();
    for (const record of decodeRecords(Buffer.concat(parts), 'entries', 'model').records) {
      const { path, entry } = decodeEntryRecord(record, 'model');
      const { kind, content } = decodeEntry(entry, 'model');
      if (kind !== 'file' || content === null) continue;
      files.set(path.toString(), await this.read(content));
    }
    return files;
  }

  private async read(ref: ContentRef): Promise<Buffer> {
    const content = CONTENTS.find((one) => keyString(one.ref) === keyString(ref));
    if (content === undefined) throw new Error('a content that nobody stored');
    const read = new Map<string, Buffer>();
    const blocks: Buffer[] = [];
    for await (const block of this.bench.reader.readChunks({ domainNo: DOMAIN }, content.chunks)) blocks.push(block);
    const sent = Buffer.concat(blocks);
    for await (const { bytes } of readBlocks(inPieces(sent), { maxBytes: sent.length })) {
      for (const chunk of decodeBlock(bytes, 'model').chunks) read.set(keyString(chunk), chunk.bytes);
    }
    for (const chunk of content.chunks) {
      if (read.get(keyString(chunk))?.equals(chunk.bytes) !== true)
        throw new Error(`chunk ${chunk.id.toString('hex').slice(0, 8)} of height ${chunk.height} cannot be had`);
    }
    return content.bytes;
  }
}

function contentNo(at: number): Content {
  if (at % 3 !== 2) {
    const chunk = dataChunk(`content ${at}`);
    return { ref: { id: chunk.id, height: 0, size: chunk.bytes.length }, chunks: [chunk], bytes: chunk.bytes };
  }
  // The middle one is of a content before it.
  const chunks = [dataChunk(`first of ${at}`), dataChunk(`content ${at - 1}`), dataChunk(`last of ${at}`)];
  const lists = listsOver(sized(chunks));
  const bytes = Buffer.concat(chunks.map((chunk) => chunk.bytes));
  const root = lists.at(-1);
  if (root === undefined) throw new Error('three chunks have a list');
  return { ref: { id: root.id, height: root.height, size: bytes.length }, chunks: [...chunks, ...lists], bytes };
}
