import { randomUUID } from 'node:crypto';
import type {
  BatchAnswer,
  ClientAnswer,
  CommitAnswer,
  CommitRequest,
  GoneAnswer,
  HistoryAnswer,
  LoginAnswer,
  PackAnswer,
  ProblemCode,
  RegisterClientAnswer,
  RunAnswer,
  RunProblemItem,
  SnapshotsAnswer,
  StartRunAnswer,
  StartRunRequest,
  TaskAnswer,
} from '#common';
import {
  type ChunkKey,
  comparePaths,
  type ContentRef,
  decodeBlock,
  decodeChange,
  decodeEntry,
  decodeList,
  decodeRecords,
  EMPTY_CHAIN_DIGEST,
  encodeIndexHeader,
  encodeIndexRecord,
  encodeKeys,
  type Entry,
  keyString,
  nextChainDigest,
  RecordStreamEncoder,
  splitPath,
} from '#engine';
import type { Body, RunToken, ServerApi } from '../server-api/server-api';
import { ServerProblem } from '../server-api/server-problem';

interface Version {
  readonly path: Buffer;
  readonly entry: Buffer;
  readonly detection: Buffer;
}

interface FakeRun {
  readonly runId: string;
  readonly token: string;
  state: 'running' | 'succeeded' | 'partial' | 'failed' | 'cancelled';
  sequence: number;
  changes: number;
  digest: Buffer;
  readonly touched: Set<string>;
  readonly versions: Map<string, Version>;
  readonly log: string[];
}

/**
 * The rules that a real server enforces on one task, in memory: chunks before entries, parents before children, closings
 * of content before that of the directory, batches in order, commits by digest. Calls of other parts of the API fail.
 */
export class FakeServer implements ServerApi {
  readonly chunks = new Map<string, Buffer>();
  readonly problems: Body<RunProblemItem>[] = [];
  readonly runs: FakeRun[] = [];
  readonly taskId = randomUUID();
  /** How often each call was made. */
  readonly calls = new Map<string, number>();
  head: string | null = null;
  generation = 1;
  readAgain: Buffer[] = [];
  committed = new Map<string, Version>();
  /** Called before a call is answered; what it throws is the answer. */
  onCall: (call: string) => void | Promise<void> = () => undefined;
  private readonly commits = new Map<string, CommitAnswer>();

  /** What the newest run changed, such as `put /a` and `close /b deleted`, in order. */
  get log(): readonly string[] {
    return this.runs.at(-1)?.log ?? [];
  }

  entry(path: string | Buffer): Entry | undefined {
    const version = this.committed.get(Buffer.from(path).toString('latin1'));
    return version === undefined ? undefined : decodeEntry(version.entry, 'fake');
  }

  /** Paths of the head below `root`, relative, in walk order. */
  paths(root: string): string[] {
    return [...this.committed.values()]
      .map(({ path }) => path.toString('latin1'))
      .filter((path) => path.startsWith(`${root}/`))
      .map((path) => path.slice(root.length + 1))
      .sort((a, b) => comparePaths(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1')));
  }

  bytesOf(content: ContentRef | null | undefined): Buffer {
    if (content === null || content === undefined) return Buffer.alloc(0);
    const bytes = this.chunks.get(keyString(content));
    if (bytes === undefined) throw new Error('the content is not stored');
    if (content.height === 0) return bytes;
    return Buffer.concat(decodeList(bytes, content.height, 'fake').map((child) => this.bytesOf(child)));
  }

  async openTask(name: string): Promise<TaskAnswer> {
    await this.count('openTask');
    return { id: this.taskId, name, head: this.head, generation: this.generation };
  }

  async startRun(_taskId: string, request: Body<StartRunRequest>): Promise<StartRunAnswer> {
    await this.count('startRun');
    let active = this.runs.find((run) => run.state === 'running');
    if (active !== undefined && active.token !== request.token) throw problem('run-active');
    if (active === undefined) {
      active = {
        runId: randomUUID(),
        token: request.token ?? '',
        state: 'running',
        sequence: 1,
        changes: 0,
        digest: EMPTY_CHAIN_DIGEST,
        touched: new Set(),
        versions: new Map(this.committed),
        log: [],
      };
      this.runs.push(active);
    }
    await this.count('startRun answered');
    return {
      runId: active.runId,
      number: this.runs.length,
      token: active.token,
      head: this.head,
      generation: this.generation,
      leaseMs: 300_000,
      readAgainBase64: this.readAgain.map((path) => path.toString('base64')),
    };
  }

  async missing(run: RunToken, keys: readonly ChunkKey[]): Promise<ChunkKey[]> {
    await this.count('missing');
    this.active(run);
    return keys.filter((key) => !this.chunks.has(keyString(key)));
  }

  async uploadPack(run: RunToken, blocks: readonly Buffer[]): Promise<PackAnswer> {
    await this.count('uploadPack');
    this.active(run);
    let count = 0;
    for (const block of blocks) {
      for (const chunk of decodeBlock(block, 'fake').chunks) {
        if (chunk.height > 0) {
          const children = decodeList(chunk.bytes, chunk.height, 'fake');
          if (!children.every((child) => this.chunks.has(keyString(child)))) throw problem('missing-chunks');
        }
        this.chunks.set(keyString(chunk), Buffer.from(chunk.bytes));
        count += 1;
      }
    }
    return { chunks: count, newChunks: count, storedBytes: blocks.reduce((sum, block) => sum + block.length, 0) };
  }

  async sendBatch(token: RunToken, sequence: number, records: Buffer): Promise<BatchAnswer> {
    await this.count('sendBatch');
    const run = this.active(token);
    if (sequence < run.sequence) return { nextSequence: run.sequence };
    if (sequence > run.sequence) throw problem('sequence-gap');
    const batch = decodeRecords(records, 'changes', 'fake');
    const changes = batch.records.map((record) => decodeChange(record, 'fake'));
    const missing = changes.flatMap((change) => (change.type === 'put' ? this.missingOf(change.entry) : []));
    if (missing.length > 0) throw problem('missing-chunks', { keysBase64: encodeKeys(missing).toString('base64') });
    for (const change of changes) {
      const key = change.path.toString('latin1');
      if (run.touched.has(key)) throw new Error(`${key} occurs twice in the run`);
      run.touched.add(key);
      run.log.push(change.type === 'put' ? `put ${key}` : `close ${key} ${change.reason}`);
      if (change.type === 'put') this.put(run, key, change);
      else close(run, key);
    }
    run.sequence += 1;
    run.changes += changes.length;
    run.digest = nextChainDigest(run.digest, batch.digest);
    return { nextSequence: run.sequence };
  }

  async sendProblems(run: RunToken, items: readonly Body<RunProblemItem>[]): Promise<void> {
    await this.count('sendProblems');
    this.active(run);
    this.problems.push(...items);
  }

  async commit(token: RunToken, request: Body<CommitRequest>): Promise<CommitAnswer> {
    await this.count('commit');
    const done = this.commits.get(token.runId);
    if (done !== undefined) return done;
    const run = this.active(token);
    const isSame = request.batches === run.sequence - 1 && request.changes === run.changes;
    if (!isSame || request.digest !== run.digest.toString('hex')) throw problem('commit-mismatch');
    run.state = request.outcome;
    this.committed = run.versions;
    this.head = run.runId;
    const answer = { runId: run.runId, state: request.outcome, stampMs: 1_000 + this.runs.length };
    this.commits.set(run.runId, answer);
    await this.count('commit answered');
    return answer;
  }

  async abort(token: RunToken, request: { outcome: 'failed' | 'cancelled' }): Promise<void> {
    await this.count('abort');
    this.active(token).state = request.outcome;
  }

  async *taskIndex(): AsyncGenerator<Buffer> {
    await this.count('taskIndex');
    const encoder = new RecordStreamEncoder('index');
    const ready = encoder.add(encodeIndexHeader({ head: this.head, generation: this.generation, taskId: this.taskId }));
    if (ready !== null) yield ready;
    for (const version of [...this.committed.values()].sort((a, b) => comparePaths(a.path, b.path))) {
      const bytes = encoder.add(encodeIndexRecord(version));
      if (bytes !== null) yield bytes;
    }
    yield encoder.finish();
  }

  login(): Promise<LoginAnswer> {
    return notFaked();
  }
  registerClient(): Promise<RegisterClientAnswer> {
    return notFaked();
  }

  enrolClient(): Promise<RegisterClientAnswer> {
    return notFaked();
  }
  me(): Promise<ClientAnswer> {
    return notFaked();
  }
  run(): Promise<RunAnswer> {
    return notFaked();
  }
  snapshots(): Promise<SnapshotsAnswer> {
    return notFaked();
  }
  holdSnapshot(): Promise<void> {
    return Promise.reject(new Error('not used'));
  }

  gone(): Promise<GoneAnswer> {
    return Promise.reject(new Error('not used'));
  }

  history(): Promise<HistoryAnswer> {
    return notFaked();
  }
  ranks(): Promise<Uint32Array> {
    return notFaked();
  }
  entries(): AsyncIterable<Buffer> {
    throw new Error('not faked');
  }
  listing(): AsyncIterable<Buffer> {
    throw new Error('not faked');
  }
  versions(): AsyncIterable<Buffer> {
    throw new Error('not faked');
  }
  listRuns(): Promise<never> {
    return notFaked();
  }
  listProblems(): Promise<never> {
    return notFaked();
  }
  readChunks(): AsyncIterable<Buffer> {
    throw new Error('not faked');
  }
  close(): Promise<void> {
    return Promise.resolve();
  }

  private async count(call: string): Promise<void> {
    this.calls.set(call, (this.calls.get(call) ?? 0) + 1);
    await this.onCall(call);
  }

  private active(token: RunToken): FakeRun {
    const run = this.runs.find(({ runId }) => runId === token.runId);
    if (run === undefined) throw problem('not-found');
    if (run.state !== 'running' || run.token !== token.token) throw problem('run-over');
    return run;
  }

  private put(run: FakeRun, key: string, version: Version): void {
    const parent = splitPath(version.path).parent.toString('latin1');
    const above = run.versions.get(parent);
    if (parent !== '' && (above === undefined || decodeEntry(above.entry, 'fake').kind !== 'directory')) {
      throw new Error(`${key} lies in no directory`);
    }
    const isDirectory = decodeEntry(version.entry, 'fake').kind === 'directory';
    if (!isDirectory && childrenOf(run, key).length > 0)
      throw new Error(`${key} replaces a directory that is not empty`);
    run.versions.set(key, version);
  }

  private missingOf(entry: Buffer): ChunkKey[] {
    const { content, xattrContent } = decodeEntry(entry, 'fake');
    return [content, xattrContent].flatMap((ref) => (ref === null || ref === undefined ? [] : this.missingBelow(ref)));
  }

  private missingBelow(key: ChunkKey): ChunkKey[] {
    const bytes = this.chunks.get(keyString(key));
    if (bytes === undefined) return [key];
    return key.height === 0 ? [] : decodeList(bytes, key.height, 'fake').flatMap((child) => this.missingBelow(child));
  }
}

function close(run: FakeRun, key: string): void {
  if (childrenOf(run, key).length > 0) throw new Error(`${key} is closed before what is in it`);
  if (!run.versions.delete(key)) throw new Error(`${key} is closed and was not there`);
}

function childrenOf(run: FakeRun, key: string): string[] {
  return [...run.versions.keys()].filter((path) => path.startsWith(key === '/' ? '/' : `${key}/`) && path !== key);
}

function problem(code: ProblemCode, details: Record<string, unknown> = {}): ServerProblem {
  return new ServerProblem({ code, status: 409, detail: code, details }, 'fake');
}

function notFaked(): Promise<never> {
  return Promise.reject(new Error('not faked'));
}
