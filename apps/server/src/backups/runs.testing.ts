import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { AbortRequest, type CommitAnswer, CommitRequest, type StartRunAnswer, StartRunRequest } from '#common';
import {
  type Change,
  CHUNKER_ID,
  type CloseReason,
  type ContentRef,
  decodeEntry,
  decodeEntryRecord,
  decodeIndexRecord,
  decodeRecords,
  EMPTY_CHAIN_DIGEST,
  encodeChange,
  encodeDetection,
  encodeEntry,
  type Entry,
  keyString,
  nextChainDigest,
  openManifest,
  RecordStreamEncoder,
} from '#engine';
import type { AgentIdentity } from '../auth/agent-identity';
import { ServerSettings } from '../config/server-settings';
import type { Database } from '../database/database';
import type { Value } from '../database/sql';
import type { DeletionGuard } from '../guards/deletion-guard';
import { retentionOn } from '../retention/retention.testing';
import { MemoryStorage } from '../storage/memory.storage';
import type { StorageBody } from '../storage/storage';
import { CatalogPathsRepository } from './catalog-paths.repository';
import { CatalogReadRepository } from './catalog-read.repository';
import { CatalogWriteRepository } from './catalog-write.repository';
import type { NewChunk } from './chunk-rows';
import { ChunksRepository } from './chunks.repository';
import { ManifestChanges } from './manifest-changes';
import { ManifestDrafts } from './manifest-drafts';
import { ManifestWriter } from './manifest-writer';
import { RunBatchesRepository } from './run-batches.repository';
import type { RunGrant } from './run-grant';
import { BatchRepositories, BatchWriter } from './runs-batch';
import { CommitRepositories, RunCommit } from './runs-commit';
import { RunProblems } from './runs-problems';
import { RunStart, RunStartRepositories } from './runs-start';
import { RunUndo, UndoRepositories } from './runs-undo';
import { RunsRepository } from './runs.repository';
import { TestDisk } from './ingest.testing';
import { QuotaRepository } from './quota.repository';
import { UploadRoom } from './upload-room';
import { RunsScheduler } from './runs.scheduler';
import { SetBackRuns } from './set-back-runs';
import { RunsService } from './runs.service';
import { SnapshotWalk } from './snapshots-walk';
import { SnapshotsRepository } from './snapshots.repository';
import { SnapshotRepositories, SnapshotsService } from './snapshots.service';
import { TasksRepository } from './tasks.repository';
import { TasksService } from './tasks.service';

/** Memory storage whose puts can be watched, delayed or failed. */
export class WatchedStorage extends MemoryStorage {
  beforePut: (key: string) => Promise<void> | void = () => undefined;
  afterPut: (key: string) => Promise<void> | void = () => undefined;
  readonly puts: string[] = [];

  override async put(key: string, body: StorageBody): Promise<void> {
    await this.beforePut(key);
    await super.put(key, body);
    this.puts.push(key);
    await this.afterPut(key);
  }

  static make(): { storage: WatchedStorage; remove: () => void } {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-spool-'));
    const remove = (): void => {
      rmSync(folder, { recursive: true, force: true });
    };
    return { storage: new WatchedStorage(folder), remove };
  }

  async keys(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.list(prefix)) keys.push(key);
    return keys;
  }
}

/** The backups feature as a server wires it, on a database and a storage. A second one is a restarted server. */
export class TestServer {
  readonly runs: RunsService;
  readonly tasks: TasksService;
  readonly snapshots: SnapshotsService;
  readonly walk: SnapshotWalk;
  readonly commits: RunCommit;
  readonly manifests: ManifestWriter;
  readonly drafts: ManifestDrafts;
  readonly undos: RunUndo;
  readonly scheduler: RunsScheduler;
  readonly runRows = new RunsRepository();
  readonly touched = new RunBatchesRepository();
  readonly disk = new TestDisk();
  readonly settings = new ServerSettings();
  readonly retention: ReturnType<typeof retentionOn>;

  constructor(
    readonly database: Database,
    readonly storage: WatchedStorage,
    guard?: DeletionGuard,
  ) {
    Logger.overrideLogger(false);
    const { settings } = this;
    this.retention = retentionOn(database, storage, settings, guard);
    const tasks = new TasksRepository();
    const paths = new CatalogPathsRepository();
    const reading = new CatalogReadRepository(paths);
    const writing = new CatalogWriteRepository();
    const { runRows, touched } = this;
    const changes = new ManifestChanges(database, reading, paths);
    this.drafts = new ManifestDrafts(storage);
    const manifests = new ManifestWriter(database, storage, runRows, changes, this.drafts);
    this.manifests = manifests;
    const setBack = new SetBackRuns(manifests, this.retention.guard);
    this.undos = new RunUndo(database, manifests, new UndoRepositories(runRows, reading, writing, touched), setBack);
    this.commits = new RunCommit(
      database,
      settings,
      manifests,
      new CommitRepositories(runRows, tasks, touched),
      this.retention.service,
    );
    this.scheduler = new RunsScheduler(this.commits, this.undos, manifests);
    this.walk = new SnapshotWalk(database, reading);
    this.tasks = new TasksService(database, tasks);
    this.snapshots = new SnapshotsService(
      database,
      new SnapshotRepositories(tasks, new SnapshotsRepository(), reading),
      this.walk,
    );
    this.runs = new RunsService(
      database,
      runRows,
      new RunStart(
        database,
        settings,
        new RunStartRepositories(tasks, runRows, reading, touched),
        this.undos,
        new UploadRoom(database, new QuotaRepository(), this.disk),
      ),
      new BatchWriter(
        database,
        settings,
        new BatchRepositories(runRows, touched, paths, writing, new ChunksRepository()),
        this.drafts,
      ),
      new RunProblems(database, settings, runRows),
      this.commits,
      this.undos,
    );
  }

  get<T>(sql: string, params: Value[] = []): Promise<T | undefined> {
    return this.database.read((reading) => reading.get<T>(sql, params));
  }

  all<T>(sql: string, params: Value[] = []): Promise<T[]> {
    return this.database.read((reading) => reading.all<T>(sql, params));
  }

  /** Makes a client with a task. Numbers are free to choose: there are no foreign keys. */
  async agent(clientNo = 1, domainNo = 1): Promise<TestAgent> {
    const identity = { clientNo, clientId: randomUUID(), ownerNo: 1, domainNo };
    await this.ensureOwned(identity);
    const task = await this.tasks.openTask(clientNo, 'cli');
    return new TestAgent(this, identity, task.id);
  }

  /** The rows of a client and of its owner, who has no policy: what retention looks policies up in. */
  private async ensureOwned({ clientNo, clientId, ownerNo, domainNo }: AgentIdentity): Promise<void> {
    await this.database.write('clients.register', async (tx) => {
      await tx.run(
        `insert into users (no, id, username, password_hash, role, domain_no, state, created_at)
         values (?, ?, 'owner', '', 'user', ?, 'active', 0) on conflict do nothing`,
        [ownerNo, randomUUID(), domainNo],
      );
      await tx.run(
        `insert into clients (no, id, owner_no, domain_no, name, secret_hash, state, created_at)
         values (?, ?, ?, ?, ?, ?, 'active', 0) on conflict do nothing`,
        [clientNo, clientId, ownerNo, domainNo, `client ${clientNo}`, Buffer.alloc(32)],
      );
    });
  }

  /** Gives a domain the chunks, as an upload would. Returns their row numbers. */
  async addChunks(domainNo: number, contents: readonly ContentRef[]): Promise<number[]> {
    const place = { packNo: 1, blockOffset: 16, blockLength: 100, chunkOffset: 0 };
    const chunks: NewChunk[] = contents.map((content) => ({ ...content, ...place, chunkLength: content.size }));
    const inserted = await this.database.write('packs.live', (tx) =>
      new ChunksRepository().insertChunks(tx, domainNo, chunks),
    );
    return contents.map((content) => inserted.get(keyString(content))?.no ?? 0);
  }

  async setChunk(no: number, assignment: string): Promise<void> {
    await this.database.write('chunks.damaged', (tx) => tx.run(`update chunks set ${assignment} where no = ?`, [no]));
  }

  /** What a snapshot shows: `path -> size or kind`, in walk order. */
  async shown(agent: TestAgent, runId: string, path = '/'): Promise<string[]> {
    const stream = await this.snapshots.entries(agent.identity.clientNo, runId, Buffer.from(path));
    const { records } = decodeRecords(await collect(stream), 'entries', 'test');
    return records.map((record) => describeEntry(decodeEntryRecord(record, 'test')));
  }

  async listed(agent: TestAgent, runId: string, path: string): Promise<string[]> {
    const stream = await this.snapshots.listing(agent.identity.clientNo, runId, Buffer.from(path));
    const { records } = decodeRecords(await collect(stream), 'entries', 'test');
    return records.map((record) => describeEntry(decodeEntryRecord(record, 'test')));
  }

  /** The task's index: records after the header, with the inode as detection. */
  async index(agent: TestAgent): Promise<{ path: string; detection: Buffer }[]> {
    const stream = await this.snapshots.taskIndex(agent.identity.clientNo, agent.taskId);
    const { records } = decodeRecords(await collect(stream), 'index', 'test');
    return records.slice(1).map((record) => {
      const { path, detection } = decodeIndexRecord(record, 'test');
      return { path: path.toString(), detection };
    });
  }

  /** Manifest of a run: header and changes as text, sorted. */
  async manifest(agent: TestAgent, run: { number: number; runId: string }) {
    const key = `tasks/${agent.taskId}/run-${run.number}-${run.runId}`;
    const { header, records } = await openManifest(await this.storage.stream(key), key);
    const changes: string[] = [];
    for await (const change of records) changes.push(describeChange(change));
    return { header, changes: changes.sort() };
  }
}

/** An agent with one task: counts and chains what it sends, as a real one does. */
export class TestAgent {
  private sequence = 0;
  private lastBody: Buffer = Buffer.alloc(0);
  private changes = 0;
  private digest: Buffer = EMPTY_CHAIN_DIGEST;
  private started: StartRunAnswer | null = null;
  private granted: RunGrant | null = null;

  constructor(
    private server: TestServer,
    readonly identity: AgentIdentity,
    readonly taskId: string,
  ) {}

  /** Talks to another server from now on, in the same run. */
  use(server: TestServer): void {
    this.server = server;
  }

  get run(): StartRunAnswer {
    if (this.started === null) throw new Error('no run was started');
    return this.started;
  }

  get grant(): RunGrant {
    if (this.granted === null) throw new Error('no run was started');
    return this.granted;
  }

  async start(request: Partial<StartRunRequest> = {}): Promise<StartRunAnswer> {
    const { runs } = this.server;
    this.started = await runs.startRun(this.identity, this.taskId, startRequest(request));
    this.granted = await runs.grant(this.identity, this.started.runId, this.started.token);
    this.sequence = 0;
    this.changes = 0;
    this.digest = EMPTY_CHAIN_DIGEST;
    return this.started;
  }

  /** Sends the next batch; it counts only when it was taken. */
  async send(...changes: Change[]): Promise<void> {
    const { body, digest } = encodeBatch(changes);
    this.lastBody = body;
    await this.server.runs.applyBatch(this.grant, this.sequence + 1, body);
    this.sequence += 1;
    this.changes += changes.length;
    this.digest = nextChainDigest(this.digest, digest);
  }

  /** Sends the last batch that was taken again, as if its answer had been lost. */
  async repeat(): Promise<void> {
    await this.server.runs.applyBatch(this.grant, this.sequence, this.lastBody);
  }

  commitRequest(figures: Partial<CommitRequest> = {}): CommitRequest {
    return Object.assign(new CommitRequest(), {
      batches: this.sequence,
      changes: this.changes,
      digest: this.digest.toString('hex'),
      outcome: 'succeeded',
      files: 1,
      directories: 1,
      logicalBytes: 1,
      readBytes: 1,
      unsavedCount: 0,
      ...figures,
    });
  }

  commit(figures: Partial<CommitRequest> = {}): Promise<CommitAnswer> {
    return this.server.runs.commitRun(this.grant, this.commitRequest(figures));
  }

  async abort(outcome: 'failed' | 'cancelled' = 'failed'): Promise<void> {
    await this.server.runs.abortRun(this.grant, Object.assign(new AbortRequest(), { outcome }));
  }

  /** A whole run of one batch. */
  async backUp(...changes: Change[]): Promise<CommitAnswer> {
    await this.start();
    if (changes.length > 0) await this.send(...changes);
    return this.commit();
  }

  async state(): Promise<string> {
    return (await this.server.runs.run(this.identity, this.run.runId)).state;
  }
}

export function startRequest(parts: Partial<StartRunRequest> = {}): StartRunRequest {
  return Object.assign(new StartRunRequest(), {
    rootsBase64: [Buffer.from('/').toString('base64')],
    excludes: [],
    platform: 'linux',
    hostName: 'host',
    chunkerId: CHUNKER_ID,
    agentVersion: '0.1.0',
    ...parts,
  });
}

export function encodeBatch(changes: readonly Change[]): { body: Buffer; digest: Buffer } {
  const encoder = new RecordStreamEncoder('changes');
  const parts = changes.map((change) => encoder.add(encodeChange(change)) ?? Buffer.alloc(0));
  const body = Buffer.concat([...parts, encoder.finish()]);
  return { body, digest: encoder.digest };
}

const METADATA = { mtimeNs: 0n, mode: 0o644, uid: 0, gid: 0 };

export function detectionOf(inode: number): Buffer {
  return encodeDetection({ ctimeNs: 1n, inode: BigInt(inode), device: 1n, isMount: false, isRacy: false });
}

function put(path: string | Buffer, entry: Entry, inode = 1): Change {
  return { type: 'put', path: Buffer.from(path), entry: encodeEntry(entry), detection: detectionOf(inode) };
}

export function directory(path: string | Buffer, mode = 0o755): Change {
  return put(path, { ...METADATA, kind: 'directory', size: 0, content: null, mode });
}

/** A file without content reference; `mode` tells its versions apart. */
export function file(path: string | Buffer, mode = 0o644, inode = 1): Change {
  return put(path, { ...METADATA, kind: 'file', size: 0, content: null, mode }, inode);
}

export function fileOf(path: string, content: ContentRef, mode = 0o644): Change {
  return put(path, { ...METADATA, kind: 'file', size: content.size, content, mode });
}

export function link(path: string, target: string, mode = 0o777): Change {
  const entry = { ...METADATA, mode, size: 0, content: null, linkTarget: Buffer.from(target) };
  return put(path, { ...entry, kind: 'symlink' });
}

export function close(path: string, reason: CloseReason = 'deleted'): Change {
  return { type: 'close', path: Buffer.from(path), reason };
}

export function contentOf(text: string, height = 0): ContentRef {
  return { id: createHash('sha256').update(text).digest(), height, size: text.length };
}

function describeEntry({ path, entry }: { path: Buffer; entry: Buffer }): string {
  const { kind, mode } = decodeEntry(entry, 'test');
  return kind === 'directory' ? `${path.toString()} dir` : `${path.toString()} ${mode.toString(8)}`;
}

function describeChange(change: Change): string {
  if (change.type === 'close') return `${change.path.toString()} ${change.reason}`;
  return describeEntry(change);
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** Code of the DomainError that a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'resolved';
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
    throw error;
  }
}
