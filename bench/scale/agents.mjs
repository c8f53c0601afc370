import { createHash, randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import { encodeBatches, sendBatches, startRun } from '../catalog/agent-run.mjs';
import { detectionOf, directoryEntry } from '../catalog/seed.mjs';
import { engine, HttpServerApi } from '../holdfast-code.mjs';

const FILES_PER_BACKUP = 20;
const FILE_BYTES = 4_096;
const POLL_SECONDS = 50;
const PROTOCOL = { 'x-holdfast-protocol': '1' };

/** Gives the first user so many clients, in one statement: enrolment is not what is measured. */
export async function makeClients(database, count) {
  const clients = Array.from({ length: count }, () => ({
    clientId: randomUUID(),
    secret: randomBytes(32).toString('hex'),
  }));
  const columns = [
    ...['id', 'name', 'state'].map((name) => ({ name, type: 'text' })),
    ...['owner_no', 'domain_no', 'created_at'].map((name) => ({ name, type: 'int' })),
    { name: 'secret_hash', type: 'bytes' },
  ];
  await database.write('clients.register', async (tx) => {
    const { no, domain_no: domainNo } = await tx.get('select no, domain_no from users order by no limit 1');
    const rows = clients.map(({ clientId, secret }, at) => [
      ...[clientId, `simulated ${at}`, 'active', no, domainNo, Date.now()],
      createHash('sha256').update(Buffer.from(secret, 'hex')).digest(),
    ]);
    for (let at = 0; at < rows.length; at += 500) await tx.insertMany('clients', columns, rows.slice(at, at + 500));
  });
  return clients;
}

/** One agent that waits for commands, poll after poll. */
export class PollingAgent {
  #sequence = 0;

  constructor(url, clientId, token, agent) {
    Object.assign(this, { url, clientId, token, agent });
  }

  /** What stands; then `poll` waits for more. */
  async begin(signal) {
    this.#sequence = (await this.next(0, signal)).sequence;
  }

  /** Until `signal`; `onWoken` is told when one was answered with news. */
  async poll({ signal, onWoken, onError }) {
    while (!signal.aborted) {
      try {
        const { sequence } = await this.next(POLL_SECONDS, signal);
        if (sequence !== this.#sequence) onWoken(this);
        this.#sequence = sequence;
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    }
  }

  next(waitSeconds, signal) {
    const path = `/api/clients/${this.clientId}/commands?after=${this.#sequence}&waitSeconds=${waitSeconds}`;
    const headers = { authorization: `Bearer ${this.token}`, ...PROTOCOL };
    return call(new URL(path, this.url), { method: 'GET', headers, agent: this.agent, signal });
  }

  ping() {
    const body = JSON.stringify({
      ...{ hostName: 'simulated', platform: 'linux', agentVersion: '0.1.0', capabilities: ['commands', 'long-poll'] },
      ...{ grants: { remoteCommands: false, allowedPaths: [] }, clockMs: Date.now() },
      ...{ intervalSeconds: 60, configVersion: 0, tasks: [], refusals: [] },
    });
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json', ...PROTOCOL };
    return call(new URL(`/api/clients/${this.clientId}/ping`, this.url), {
      method: 'POST',
      headers,
      agent: this.agent,
      body,
    });
  }
}

/** JSON of the answer; an answer of 400 and more is an error. */
export function call(url, { method, headers, agent, signal, body }) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent, signal }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (piece) => (text += piece));
      answer.on('error', reject).on('end', () => {
        if (answer.statusCode >= 400) reject(new Error(`${method} ${url.pathname}: ${answer.statusCode} ${text}`));
        else resolve(text === '' ? null : JSON.parse(text));
      });
    });
    request.on('error', reject).end(body);
  });
}

/** An agent that backs up a small tree, other content each time: a window asked for, a pack, a batch, a commit. */
export class BackingUpAgent {
  constructor(url, credentials) {
    this.api = new HttpServerApi({ serverUrl: url, credentials });
  }

  async open() {
    this.task = await this.api.openTask('small');
  }

  /** `timed(name, work)` measures each call. */
  async backUp(timed) {
    const run = await timed('start of a run', () => startRun(this.api, this.task.id));
    const files = Array.from({ length: FILES_PER_BACKUP }, () => {
      const bytes = randomBytes(FILE_BYTES);
      return { id: engine.dataChunkId(bytes), height: 0, bytes };
    });
    await timed('which chunks are missing', () => this.api.missing(run, files));
    const block = engine.encodeBlock(files, { level: 3 });
    await timed('upload of a pack', () => this.api.uploadPack(run, [block]));
    const batches = encodeBatches(() => changesOf(files));
    const commit = await timed('batch', () => sendBatches(this.api, run, batches));
    await timed('commit', () => this.api.commit(run, commit));
  }

  async close() {
    await this.api.close();
  }
}

function* changesOf(files) {
  const put = (path, entry, node) => ({
    ...{ type: 'put', path: Buffer.from(path) },
    ...{ entry: engine.encodeEntry(entry), detection: detectionOf(node, 1) },
  });
  yield put('/', directoryEntry(1), 0);
  yield put('/srv', directoryEntry(1), 1);
  for (const [at, { id }] of files.entries()) {
    const content = { id, height: 0, size: FILE_BYTES };
    yield put(
      `/srv/file ${at}`,
      { ...directoryEntry(1), kind: 'file', size: FILE_BYTES, mode: 0o644, content },
      at + 2,
    );
  }
}
