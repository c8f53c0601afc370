import { createHash, randomBytes } from 'node:crypto';
import {
  type AgentTokenAnswer,
  API,
  BLOCKS_TYPE,
  type CommitRequest,
  type HistoryAnswer,
  KEYS_TYPE,
  type LoginAnswer,
  RECORDS_TYPE,
  type RegisterClientAnswer,
  RUN_TOKEN_HEADER,
  type SnapshotsAnswer,
  type StartRunAnswer,
  type StartRunRequest,
  type TaskAnswer,
} from '#common';
import {
  type ChunkKey,
  CHUNKER_ID,
  dataChunkId,
  decodeBlock,
  decodeEntry,
  decodeEntryRecord,
  decodeIndexRecord,
  decodeKeys,
  decodeRecords,
  decodeVersionRecord,
  EMPTY_CHAIN_DIGEST,
  encodeBlock,
  encodeChange,
  encodeDetection,
  encodeEntry,
  encodeKeys,
  type EntryKind,
  nextChainDigest,
  RecordStreamEncoder,
} from '#engine';
import { AppModule } from '../app.module';
import { eachDatabase } from '../database/testing';
import { HELD_MEMORY } from '../http/held-memory';
import { bearer, postJson, problemFrom, TestServers, type TestServer } from '../http/testing';
import { ChunkReaderService } from './chunk-reader.service';

const NOWHERE = '7f3e2a10-0000-4000-8000-000000000000';
const FILE = Buffer.from([0x2f, 0x72, 0x2f, 0xff, 0x0a]); // "/r/", then a name that is no UTF-8
const CONTENT = Buffer.from('what the file holds');
const ID = dataChunkId(CONTENT);
const KEY: ChunkKey = { id: ID, height: 0 };

type Headers = Record<string, string>;

/** An enrolled agent that speaks plain HTTP. */
class TestAgent {
  private constructor(
    readonly url: string,
    readonly headers: Headers,
  ) {}

  static async enrol(server: TestServer, username: string, name: string): Promise<TestAgent> {
    const root = await login(server, 'root', 'root password');
    await postJson(server.url + API.users, { username, password: 'password 1' }, bearer(root));
    const person = await login(server, username, 'password 1');
    const enrolled = await postJson(server.url + API.registerClient, { name }, bearer(person));
    const client = (await enrolled.json()) as RegisterClientAnswer;
    const traded = await postJson(server.url + API.agentToken, client, bearer(''));
    return new TestAgent(server.url, bearer(((await traded.json()) as AgentTokenAnswer).token));
  }

  get(path: string): Promise<Response> {
    return fetch(this.url + path, { headers: this.headers });
  }

  post(path: string, body: unknown, headers: Headers = {}): Promise<Response> {
    return postJson(this.url + path, body, { ...this.headers, ...headers });
  }

  send(method: 'POST' | 'PUT', path: string, body: Buffer, headers: Headers): Promise<Response> {
    const bytes = new Uint8Array(body);
    return fetch(this.url + path, { method, body: bytes, headers: { ...this.headers, ...headers } });
  }

  async openTask(name: string): Promise<TaskAnswer> {
    const path = API.task(name);
    const response = await this.send('PUT', path, Buffer.from('{}'), { 'content-type': 'application/json' });
    return (await response.json()) as TaskAnswer;
  }

  async startRun(taskId: string): Promise<StartRunAnswer> {
    const response = await this.post(API.startRun(taskId), START);
    expect(response.status).toBe(201);
    return (await response.json()) as StartRunAnswer;
  }
}

/** A body as it is before validation makes it an instance. */
type Body<T> = Pick<T, keyof T>;

const START: Body<StartRunRequest> = {
  rootsBase64: [Buffer.from('/r').toString('base64')],
  excludes: [],
  platform: 'linux',
  hostName: 'host',
  chunkerId: CHUNKER_ID,
  agentVersion: '0.1.0',
};

const DETECTION = encodeDetection({ ctimeNs: 1n, inode: 2n, device: 3n, isMount: false, isRacy: false });

function put(path: Buffer | string, kind: EntryKind, content: Buffer | null): Buffer {
  const size = content?.length ?? 0;
  const entry = encodeEntry({
    kind,
    size,
    mtimeNs: -5n,
    mode: 0o640,
    uid: 1,
    gid: 2,
    content: content === null ? null : { id: dataChunkId(content), height: 0, size },
  });
  return encodeChange({ type: 'put', path: Buffer.from(path), entry, detection: DETECTION });
}

/** A batch that says: the directories down to a file, and the file. */
function batch(): { bytes: Buffer; digest: Buffer; count: number } {
  const encoder = new RecordStreamEncoder('changes');
  const pieces = [put('/', 'directory', null), put('/r', 'directory', null), put(FILE, 'file', CONTENT)].map((record) =>
    encoder.add(record),
  );
  const bytes = Buffer.concat([...pieces.filter((piece) => piece !== null), encoder.finish()]);
  return { bytes, digest: encoder.digest, count: encoder.count };
}

function commitOf(sent: { digest: Buffer; count: number }): Body<CommitRequest> {
  return {
    batches: 1,
    changes: sent.count,
    digest: nextChainDigest(EMPTY_CHAIN_DIGEST, sent.digest).toString('hex'),
    outcome: 'succeeded',
    files: 1,
    directories: 2,
    logicalBytes: CONTENT.length,
    readBytes: CONTENT.length,
    unsavedCount: 0,
  };
}

async function login(server: TestServer, username: string, password: string): Promise<string> {
  const response = await postJson(server.url + API.login, { username, password });
  return ((await response.json()) as LoginAnswer).access_token;
}

async function bytesOf(response: Response, type: string): Promise<Buffer> {
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  expect(response.headers.get('content-type')).toBe(type);
  return Buffer.from(await response.arrayBuffer());
}

eachDatabase('the backup API', (open) => {
  const servers = new TestServers();
  let server: TestServer;
  let agent: TestAgent;
  let stranger: TestAgent;
  beforeAll(async () => {
    const { location } = await open();
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings: location });
    agent = await TestAgent.enrol(server, 'ada', 'pc');
    stranger = await TestAgent.enrol(server, 'eve', 'pc');
  });
  afterAll(() => servers.stopAll());

  const path = `?path=${FILE.toString('base64url')}`;

  it('takes a backup and gives it back', async () => {
    const task = await agent.openTask('my documents / é');
    expect(await agent.openTask('my documents / é')).toEqual(task);
    const run = await agent.startRun(task.id);
    const fence = { [RUN_TOKEN_HEADER]: run.token };
    const missing = (): Promise<Response> =>
      agent.send('POST', API.missing(run.runId), encodeKeys([KEY]), { ...fence, 'content-type': KEYS_TYPE });
    expect(decodeKeys(await bytesOf(await missing(), KEYS_TYPE), 9)).toEqual([KEY]);

    const changes = batch();
    const sendBatch = (): Promise<Response> =>
      agent.send('PUT', API.batch(run.runId, 1), changes.bytes, { ...fence, 'content-type': RECORDS_TYPE });
    const early = await problemFrom(await sendBatch());
    expect(early).toMatchObject({ status: 409, code: 'missing-chunks' });
    expect(decodeKeys(Buffer.from(String(early.details?.['keysBase64']), 'base64'), 9)).toEqual([KEY]);

    const block = encodeBlock([{ ...KEY, bytes: CONTENT }], { level: 3 });
    const upload = await agent.send('POST', API.packs(run.runId), block, { ...fence, 'content-type': BLOCKS_TYPE });
    expect(await upload.json()).toMatchObject({ chunks: 1, newChunks: 1 });
    expect(await bytesOf(await missing(), KEYS_TYPE)).toHaveLength(0);

    const sent = await sendBatch();
    expect({ status: sent.status, body: await sent.json() }).toEqual({ status: 200, body: { nextSequence: 2 } });
    const note = { pathBase64: Buffer.from('/r/socket').toString('base64'), kind: 'note', reason: 'a socket' };
    expect((await agent.post(API.problems(run.runId), { items: [note] }, fence)).status).toBe(204);

    await expect(problemFrom(await agent.get(API.entries(run.runId)))).resolves.toMatchObject({ code: 'not-found' });
    const committed = await agent.post(API.commit(run.runId), commitOf(changes), fence);
    expect({ status: committed.status, body: await committed.json() }).toMatchObject({
      status: 200,
      body: { runId: run.runId, state: 'succeeded' },
    });

    expect(await (await agent.get(API.run(run.runId))).json()).toMatchObject({ state: 'succeeded', number: 1 });
    const { snapshots } = (await (await agent.get(API.snapshots)).json()) as SnapshotsAnswer;
    expect(snapshots).toHaveLength(1);

    const entries = await bytesOf(await agent.get(API.entries(run.runId)), RECORDS_TYPE);
    const records = decodeRecords(entries, 'entries', 'answer').records.map((bytes) =>
      decodeEntryRecord(bytes, 'entry'),
    );
    expect(records.map((record) => record.path)).toEqual([Buffer.from('/'), Buffer.from('/r'), FILE]);
    expect(decodeEntry(records[2]!.entry, 'entry')).toMatchObject({ kind: 'file', mtimeNs: -5n });

    const one = await bytesOf(await agent.get(API.listing(run.runId) + path), RECORDS_TYPE);
    expect(decodeRecords(one, 'entries', 'answer').records).toHaveLength(1);

    const index = await bytesOf(await agent.get(API.taskIndex(task.id)), RECORDS_TYPE);
    const [, ...indexed] = decodeRecords(index, 'index', 'answer').records;
    expect(indexed.map((bytes) => decodeIndexRecord(bytes, 'index').detection)).toEqual([
      DETECTION,
      DETECTION,
      DETECTION,
    ]);

    const versions = await bytesOf(await agent.get(API.taskVersions(task.id)), RECORDS_TYPE);
    expect(
      decodeRecords(versions, 'versions', 'answer').records.map((bytes) => decodeVersionRecord(bytes, 'version')),
    ).toMatchObject([
      { path: Buffer.from('/'), firstRun: 1, lastRun: null },
      { path: Buffer.from('/r') },
      { path: FILE, endReason: null },
    ]);
    expect(await (await agent.get(API.runs)).json()).toMatchObject({
      runs: [{ id: run.runId, state: 'succeeded', task: 'my documents / é', logicalBytes: CONTENT.length }],
      next: null,
    });
    expect(await (await agent.get(`${API.runs}?cursor=${run.runId}`)).json()).toEqual({ runs: [], next: null });
    expect(await (await agent.get(API.problems(run.runId))).json()).toEqual({ problems: [note], next: null });
    expect(await (await agent.get(`${API.problems(run.runId)}?cursor=1`)).json()).toEqual({ problems: [], next: null });

    const history = await agent.post(API.history, { pathBase64: FILE.toString('base64') });
    expect((await history.json()) as HistoryAnswer).toMatchObject({
      versions: [{ snapshotId: run.runId, endedMs: null }],
    });

    const unknown: ChunkKey = { id: randomBytes(32), height: 0 };
    const keys = { 'content-type': KEYS_TYPE };
    const ranks = await agent.send('POST', API.ranks, encodeKeys([unknown, KEY]), keys);
    const rankBytes = Buffer.from(await ranks.arrayBuffer());
    expect([rankBytes.readUInt32LE(0), rankBytes.readUInt32LE(4)]).toEqual([0xffffffff, 0]);
    const read = await bytesOf(await agent.send('POST', API.readChunks, encodeKeys([unknown, KEY]), keys), BLOCKS_TYPE);
    expect(decodeBlock(read, 'answer').chunks).toEqual([{ ...KEY, bytes: CONTENT }]);

    // Nothing of it is anybody else's.
    for (const url of [
      API.run(run.runId),
      API.entries(run.runId),
      API.listing(run.runId),
      API.taskIndex(task.id),
      API.taskVersions(task.id),
      API.problems(run.runId),
      `${API.runs}?cursor=${run.runId}`,
    ]) {
      await expect(problemFrom(await stranger.get(url))).resolves.toMatchObject({ status: 404, code: 'not-found' });
    }
    await expect(
      problemFrom(await stranger.post(API.abort(run.runId), { outcome: 'failed' }, fence)),
    ).resolves.toMatchObject({
      code: 'not-found',
    });
    await expect(problemFrom(await stranger.post(API.startRun(task.id), START))).resolves.toMatchObject({
      code: 'not-found',
    });
    expect(
      await bytesOf(await stranger.send('POST', API.readChunks, encodeKeys([KEY]), keys), BLOCKS_TYPE),
    ).toHaveLength(0);
    expect(await (await stranger.get(API.snapshots)).json()).toEqual({ snapshots: [] });
    expect(await (await stranger.get(API.runs)).json()).toEqual({ runs: [], next: null });
  });

  it('ends a run that is aborted, for good', async () => {
    const task = await agent.openTask('aborted');
    const run = await agent.startRun(task.id);
    const fence = { [RUN_TOKEN_HEADER]: run.token };
    await expect(problemFrom(await agent.post(API.startRun(task.id), START))).resolves.toMatchObject({
      status: 409,
      code: 'run-active',
    });
    expect((await agent.post(API.abort(run.runId), { outcome: 'cancelled' }, fence)).status).toBe(204);
    const commit = await agent.post(API.commit(run.runId), commitOf(batch()), fence);
    await expect(problemFrom(commit)).resolves.toMatchObject({ code: 'run-over' });
  });

  describe('refuses', () => {
    let run: StartRunAnswer;
    let fence: Headers;
    beforeAll(async () => {
      run = await agent.startRun((await agent.openTask('refused')).id);
      fence = { [RUN_TOKEN_HEADER]: run.token };
    });

    it.each([
      ['a run that is not there', 'GET', API.run(NOWHERE), 'not-found'],
      ['an id that is none', 'GET', '/api/runs/..%2f1', 'invalid'],
      ['a snapshot that is not there', 'GET', API.entries(NOWHERE), 'not-found'],
      ['a path that is no base64url', 'GET', `${API.entries(NOWHERE)}?path=%2Fhome`, 'invalid'],
      ['two paths', 'GET', `${API.entries(NOWHERE)}?path=Lw&path=Lw`, 'invalid'],
      ['a path that is not absolute', 'GET', `${API.listing(NOWHERE)}?path=YQ`, 'invalid'],
      ['a task name with a control character', 'PUT', API.task('a\u0007'), 'invalid'],
      ['a task that is not there', 'GET', API.taskIndex(NOWHERE), 'not-found'],
    ])('%s', async (_name, method, url, code) => {
      const response = await fetch(server.url + url, { method, headers: agent.headers });
      await expect(problemFrom(response)).resolves.toMatchObject({ code });
    });

    it('whoever has not the token of the run', async () => {
      for (const headers of [{}, { [RUN_TOKEN_HEADER]: '' }, { [RUN_TOKEN_HEADER]: '0'.repeat(64) }] as Headers[]) {
        const response = await agent.post(API.abort(run.runId), { outcome: 'failed' }, headers);
        await expect(problemFrom(response)).resolves.toMatchObject({ code: 'run-over' });
      }
    });

    it('sequence numbers that are none, and gaps', async () => {
      const headers = { ...fence, 'content-type': RECORDS_TYPE };
      for (const number of ['0', '-1', 'x', '1e3', '99999999999999999']) {
        const url = `/api/runs/${run.runId}/batches/${number}`;
        await expect(problemFrom(await agent.send('PUT', url, batch().bytes, headers))).resolves.toMatchObject({
          code: 'invalid',
        });
      }
      const gap = await agent.send('PUT', API.batch(run.runId, 2), batch().bytes, headers);
      await expect(problemFrom(gap)).resolves.toMatchObject({ code: 'sequence-gap', details: { nextSequence: 1 } });
    });

    it('bytes that are not what they say', async () => {
      const corrupt = batch().bytes;
      corrupt[20]! ^= 1;
      const block = encodeBlock([{ ...KEY, bytes: CONTENT }], { level: 0 });
      block[block.length - 1]! ^= 1;
      const cases: [string, 'POST' | 'PUT', Buffer, string][] = [
        [API.batch(run.runId, 1), 'PUT', corrupt, RECORDS_TYPE],
        [API.batch(run.runId, 1), 'PUT', Buffer.alloc(0), RECORDS_TYPE],
        [API.missing(run.runId), 'POST', Buffer.alloc(32), KEYS_TYPE],
        [API.missing(run.runId), 'POST', Buffer.alloc(33, 9), KEYS_TYPE],
        [API.packs(run.runId), 'POST', block, BLOCKS_TYPE],
        [API.packs(run.runId), 'POST', randomBytes(100_000), BLOCKS_TYPE],
        [API.packs(run.runId), 'POST', block.subarray(0, 60), BLOCKS_TYPE],
        [API.packs(run.runId), 'POST', Buffer.from('{}'), 'application/json'],
        [API.ranks, 'POST', Buffer.alloc(34), KEYS_TYPE],
        [API.readChunks, 'POST', Buffer.alloc(32), KEYS_TYPE],
      ];
      for (const [url, method, bytes, type] of cases) {
        const response = await agent.send(method, url, bytes, { ...fence, 'content-type': type });
        expect({ url, ...(await problemFrom(response)) }).toMatchObject({ url, status: 422, code: 'invalid' });
      }
    });

    it('a verifier that there is not, while the reader is told of others', async () => {
      const keys = { 'content-type': KEYS_TYPE };
      const told = jest.spyOn(ChunkReaderService.prototype, 'readChunks');
      for (const query of ['', '?verifier=asker', '?verifier=server']) {
        await agent.send('POST', `${API.readChunks}${query}`, encodeKeys([KEY]), keys);
      }
      expect(told.mock.calls.map(([, , verifier]) => verifier)).toEqual([undefined, 'asker', 'server']);
      told.mockRestore();
      const response = await agent.send('POST', `${API.readChunks}?verifier=nobody`, encodeKeys([KEY]), keys);
      await expect(problemFrom(response)).resolves.toMatchObject({ status: 422, code: 'invalid' });
    });

    it('more keys than one request may carry', async () => {
      const keys = { ...fence, 'content-type': KEYS_TYPE };
      const response = await agent.send('POST', API.readChunks, Buffer.alloc(33 * 16_385), keys);
      await expect(problemFrom(response)).resolves.toMatchObject({ status: 413, code: 'too-large' });
    });

    it('bodies beyond what one caller may have in memory at once', async () => {
      const limits: { perCaller: number } = HELD_MEMORY;
      const before = limits.perCaller;
      limits.perCaller = 100;
      try {
        const list = { 'content-type': KEYS_TYPE };
        const block = encodeBlock([{ ...KEY, bytes: CONTENT }], { level: 0 });
        const cases: [Promise<Response>, string][] = [
          [agent.send('POST', API.ranks, Buffer.alloc(33 * 4), list), 'ranks'],
          [agent.send('POST', API.readChunks, Buffer.alloc(33), list), 'read'],
          [agent.send('POST', API.missing(run.runId), Buffer.alloc(33), { ...fence, ...list }), 'missing'],
          [agent.send('POST', API.packs(run.runId), block, { ...fence, 'content-type': BLOCKS_TYPE }), 'packs'],
          [
            agent.send('PUT', API.batch(run.runId, 1), batch().bytes, { ...fence, 'content-type': RECORDS_TYPE }),
            'batch',
          ],
          [agent.post(API.startRun(NOWHERE), START), 'start'],
          [agent.get(API.entries(run.runId)), 'entries'],
          [agent.get(API.listing(run.runId)), 'listing'],
          [agent.get(API.taskIndex(NOWHERE)), 'index'],
          [agent.get(API.taskVersions(NOWHERE)), 'versions'],
        ];
        for (const [answer, what] of cases) {
          expect({ what, ...(await problemFrom(await answer)) }).toMatchObject({ what, code: 'unavailable' });
        }
      } finally {
        limits.perCaller = before;
      }
    });

    it('pages that begin nowhere', async () => {
      for (const url of [
        `${API.runs}?cursor=x`,
        `${API.runs}?cursor=${NOWHERE}&cursor=${NOWHERE}`,
        `${API.runs}?page=2`,
        `${API.problems(run.runId)}?cursor=x`,
        `${API.problems(run.runId)}?cursor=-1`,
      ]) {
        expect({ url, ...(await problemFrom(await agent.get(url))) }).toMatchObject({ url, code: 'invalid' });
      }
      const unknown = await problemFrom(await agent.get(`${API.runs}?cursor=${NOWHERE}`));
      expect(unknown).toMatchObject({ code: 'not-found' });
    });

    it('JSON that lacks something, has too much, or is absurd', async () => {
      const cases: [string, unknown][] = [
        [API.startRun(NOWHERE), { ...START, rootsBase64: [] }],
        [API.startRun(NOWHERE), { ...START, rootsBase64: ['no base64!'] }],
        [API.startRun(NOWHERE), { ...START, extra: true }],
        [API.commit(run.runId), { ...commitOf(batch()), changes: -1 }],
        [API.commit(run.runId), { ...commitOf(batch()), changes: 1.5 }],
        [API.commit(run.runId), { ...commitOf(batch()), digest: 'x' }],
        [API.abort(run.runId), { outcome: 'succeeded' }],
        [API.problems(run.runId), { items: [{ pathBase64: 'Lw==', kind: 'other', reason: 'x' }] }],
        [API.problems(run.runId), { items: 'all' }],
        [API.problems(run.runId), { items: [null] }],
        [API.history, { pathBase64: 7 }],
        [API.history, {}],
      ];
      for (const [url, body] of cases) {
        const response = await agent.post(url, body, fence);
        expect({ url, body, ...(await problemFrom(response)) }).toMatchObject({ url, status: 422, code: 'invalid' });
      }
    });

    it('a commit that is not what arrived, and leaves the run as it was', async () => {
      const digest = createHash('sha256').digest('hex');
      const response = await agent.post(API.commit(run.runId), { ...commitOf(batch()), digest }, fence);
      await expect(problemFrom(response)).resolves.toMatchObject({ status: 409, code: 'commit-mismatch' });
      expect(await (await agent.get(API.run(run.runId))).json()).toMatchObject({ state: 'running' });
    });
  });
});
