import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import {
  BLOCKS_TYPE,
  PROTOCOL_HEADER,
  PROTOCOL_VERSION,
  RUN_TOKEN_HEADER,
  API,
  type MaintenanceAnswer,
  type StartRunAnswer,
  type TaskAnswer,
} from '#common';
import { CHUNKER_ID, dataChunkId, encodeBlock } from '#engine';
import { Admin } from './admin';
import { AgentProcess, type DatabaseKind, type Finished, ServerProcess, system, temporaryFolder } from './processes';

interface Snapshot {
  id: string;
  taskId: string;
  state: string;
}

const PATIENCE = 6;

/**
 * One machine and one server that die by SIGKILL at named points, in this order, each once, and are started again on the same files. What
 * was reported as stored must be there afterwards; what was not must leave no half snapshot.
 */
export class KillJourney {
  readonly source: string;
  /** A second root, with a socket in it: each run has a note to send. */
  private readonly noted: string;
  private readonly socket = createServer();
  readonly deaths: string[] = [];
  private readonly statePath: string;
  private readonly agent: AgentProcess;
  private supervision: Promise<void> = Promise.resolve();
  private isStopping = false;
  private clockAheadSeconds = 0;
  private isMovingClock = false;
  private isMaintaining = false;
  private races = 0;
  private serverPoints: string[];
  private agentPoints: string[];

  private constructor(
    readonly folder: { path: string; remove: () => void },
    readonly server: ServerProcess,
    points: { server: readonly string[]; agent: readonly string[] },
  ) {
    this.source = join(folder.path, 'source');
    this.noted = join(folder.path, 'noted');
    this.statePath = join(folder.path, 'state');
    this.agent = new AgentProcess(this.statePath, { HOLDFAST_RETRY_SECONDS: '20' });
    this.serverPoints = [...points.server];
    this.agentPoints = [...points.agent];
  }

  static async begin(
    points: { server?: readonly string[]; agent?: readonly string[] },
    kind: DatabaseKind = 'sqlite',
  ): Promise<KillJourney> {
    const folder = temporaryFolder('kill');
    const server = await ServerProcess.on(kind, join(folder.path, 'data'));
    const journey = new KillJourney(folder, server, { server: points.server ?? [], agent: points.agent ?? [] });
    mkdirSync(journey.source);
    writeFileSync(join(journey.source, 'small'), 'small');
    writeFileSync(join(journey.source, 'large'), randomBytes(3 * 1024 * 1024));
    mkdirSync(join(journey.source, 'many'));
    for (let index = 0; index < 40; index += 1)
      writeFileSync(join(journey.source, 'many', String(index)), `content ${index}`);
    mkdirSync(journey.noted);
    journey.socket.listen(join(journey.noted, 'socket'));
    await once(journey.socket, 'listening');
    await journey.startServer();
    journey.supervision = journey.supervise();
    return journey;
  }

  /** Starts it with the next point at which it is to die; a server that dies while it starts is started again. */
  private async startServer(): Promise<void> {
    for (;;) {
      const point = this.serverPoints[0];
      if (
        (await this.server.start({
          HOLDFAST_KILL_AT: point,
          HOLDFAST_CLOCK_AHEAD_SECONDS: String(this.clockAheadSeconds),
        })) === 'serving'
      )
        return;
      this.noteServerDeath();
    }
  }

  private noteServerDeath(): void {
    if (this.server.endedBy !== 'SIGKILL')
      throw new Error(`the server ended by ${this.server.endedBy}:\n${this.server.log}`);
    const point = this.serverPoints.shift();
    if (point === undefined) throw new Error('the server was killed by somebody else');
    this.deaths.push(point);
    // The lease of a job outlives the server that held it: the next one starts when it has run out.
    if (this.isMaintaining) this.clockAheadSeconds += 120;
  }

  private async supervise(): Promise<void> {
    for (;;) {
      await this.server.whenOver();
      if (this.isStopping) return;
      if (this.isMovingClock) this.isMovingClock = false;
      else this.noteServerDeath();
      await this.startServer();
    }
  }

  /** Runs an agent's command until it goes through: it may die, or see the server die, a few times. */
  async insist(words: readonly string[], input = ''): Promise<Finished> {
    let last: Finished | undefined;
    for (let attempt = 0; attempt < PATIENCE; attempt += 1) {
      await this.whenServing();
      const point = this.agentPoints[0];
      last = await this.agent.run(words, { HOLDFAST_KILL_AT: point }, input);
      if (last.code === 0) return last;
      if (last.signal === 'SIGKILL' && point !== undefined) {
        this.deaths.push(point);
        this.agentPoints.shift();
      }
    }
    throw new Error(`holdfast ${words.join(' ')} did not go through: ${JSON.stringify(last)}\n${this.server.log}`);
  }

  /** Until the supervisor has a server up: commands in which a person waits do not wait for one that is away. */
  private async whenServing(): Promise<void> {
    while (
      !(await fetch(`${this.server.url}/health/live`).then(
        (answer) => answer.ok,
        () => false,
      ))
    ) {
      await new Promise((done) => setTimeout(done, 25));
    }
  }

  async enroll(): Promise<void> {
    const words = [
      'enroll',
      '--server',
      this.server.url,
      '--username',
      'admin',
      '--password-stdin',
      '--name',
      'machine',
    ];
    await this.insist(words, 'correct horse battery staple\n');
  }

  /** A backup that is killed when everything was sent and nothing committed: the next one has a run to undo. */
  async backupThatDies(): Promise<void> {
    const died = await this.agent.run(['backup', this.source, this.noted], {
      HOLDFAST_KILL_AT: 'state.index-next:before',
    });
    // The server may have died first, with a point of its own; then this one ended otherwise, or went on.
    if (died.signal !== 'SIGKILL' && died.code !== 0 && this.deaths.length === 0) throw new Error(JSON.stringify(died));
  }

  /** Backs up until it is reported as stored; returns a copy of what the source was then. */
  async backup(name: string): Promise<{ id: string; copy: string }> {
    const copy = join(this.folder.path, name);
    await system('cp', ['-a', this.source, copy]);
    await this.insist(['backup', this.source, this.noted]);
    const [newest] = await this.snapshots();
    if (newest === undefined) throw new Error('a backup was reported as stored, and no snapshot is there');
    return { id: newest.id, copy };
  }

  async snapshots(): Promise<Snapshot[]> {
    const result = await this.insist(['snapshots', '--json']);
    return (JSON.parse(result.stdout) as { snapshots: Snapshot[] }).snapshots;
  }

  async restore(id: string): Promise<string> {
    const target = join(this.folder.path, `restored-${id}-${randomBytes(3).toString('hex')}`);
    await this.insist(['restore', id, '--target', target]);
    return join(target, this.source);
  }

  change(): void {
    appendFileSync(join(this.source, 'large'), randomBytes(1000));
    writeFileSync(join(this.source, 'small'), 'changed');
    writeFileSync(join(this.source, 'many', 'new'), 'new');
  }

  /** Of the pack that held it before, little is left in use: reclaim writes it anew. */
  replaceLarge(): void {
    writeFileSync(join(this.source, 'large'), randomBytes(3 * 1024 * 1024));
  }

  /** Other bytes in a file that no other changes beside: its chunk has a pack of its own, which goes when the chunk does. */
  changeAlone(): void {
    writeFileSync(join(this.source, 'alone'), randomBytes(50_000));
  }

  /** Calls of a person are repeated here: the server may die at any of them. */
  private async insistAsAdmin(call: (admin: Admin) => Promise<unknown>): Promise<void> {
    let last: unknown;
    for (let attempt = 0; attempt < PATIENCE; attempt += 1) {
      await this.whenServing();
      try {
        await call(await Admin.login(this.server.url));
        return;
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  keepVersions(count: number): Promise<void> {
    return this.insistAsAdmin((admin) => admin.setRetention({ retention_versions: count }));
  }

  /** A pass of reclaim by a server whose clock is so far ahead. */
  async reclaimAt(hours: number): Promise<void> {
    await this.whenServing();
    this.clockAheadSeconds = hours * 3_600;
    this.isMovingClock = true;
    this.isMaintaining = true;
    await this.server.kill('SIGTERM');
    await this.insistAsAdmin((admin) => admin.reclaim());
  }

  /** A manifest that no database knows. */
  plantUnknownRun(): void {
    const folder = join(this.server.dataPath, 'tasks', randomUUID());
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `run-1-${randomUUID()}`), 'unknown');
  }

  /** Tries to delete, is refused, acknowledges why, and deletes then. Returns what had stopped it. */
  async stopAndAcknowledge(): Promise<string[]> {
    this.isMaintaining = true;
    let kinds: string[] = [];
    await this.insistAsAdmin(async (admin) => {
      const isStopped = await admin.reclaim().then(
        () => false,
        (error: unknown) => String(error).includes('does not know'),
      );
      if (!isStopped) throw new Error('nothing stopped reclaim');
      kinds = (await admin.call<MaintenanceAnswer>('GET', API.maintenance)).stops.map(({ kind }) => kind);
    });
    await this.insistAsAdmin(async (admin) => {
      const { stops } = await admin.call<MaintenanceAnswer>('GET', API.maintenance);
      for (const { kind, state } of stops) await admin.call('POST', API.acknowledgeStop(kind), { state });
    });
    await this.insistAsAdmin((admin) => admin.reclaim());
    return kinds;
  }

  dumpCatalog(): Promise<void> {
    this.isMaintaining = true;
    return this.insistAsAdmin((admin) => admin.run('catalog-dump', {}));
  }

  /** Every pack is read back, and it is reckoned what is stored. */
  async scrub(): Promise<void> {
    this.isMaintaining = true;
    await this.insistAsAdmin((admin) => admin.run('scrub', { full: true }));
    await this.insistAsAdmin((admin) => admin.run('space', {}));
  }

  forget(pattern: string): Promise<void> {
    return this.insistAsAdmin(async (admin) => {
      const [snapshot] = await this.snapshots();
      await admin.call('POST', API.forget(snapshot?.taskId ?? ''), { pattern, simulate: false });
    });
  }

  /** Two uploads of the same new chunk at once, under a run of its own that is then aborted while it commits. */
  async raceOverHttp(): Promise<void> {
    // A task of its own each time: a run that the kill left active would keep the next one out until its lease ends.
    this.races += 1;
    const { clientId, secret } = JSON.parse(readFileSync(join(this.statePath, 'identity.json'), 'utf8')) as Record<
      string,
      string
    >;
    const { token } = (await (await this.post(API.agentToken, JSON.stringify({ clientId, secret }))).json()) as {
      token: string;
    };
    const bearer = { authorization: `Bearer ${token}` };
    const task = (await (
      await fetch(this.server.url + API.task(`race ${this.races}`), {
        method: 'PUT',
        headers: { ...bearer, [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) },
      })
    ).json()) as TaskAnswer;
    const started = (await (
      await this.post(
        API.startRun(task.id),
        JSON.stringify({
          rootsBase64: [Buffer.from('/races').toString('base64')],
          excludes: [],
          platform: 'linux',
          hostName: 'races',
          chunkerId: CHUNKER_ID,
          agentVersion: 'test',
        }),
        bearer,
      )
    ).json()) as StartRunAnswer;
    const grant = { ...bearer, [RUN_TOKEN_HEADER]: started.token };
    const bytes = randomBytes(300_000);
    const block = encodeBlock([{ id: dataChunkId(bytes), height: 0, bytes }], { level: 0 });
    const upload = (): Promise<Response> => this.post(API.packs(started.runId), block, grant, BLOCKS_TYPE);
    await Promise.all([upload(), upload()]);
    const commit = {
      batches: 0,
      changes: 0,
      digest: '0'.repeat(64),
      outcome: 'succeeded',
      files: 0,
      directories: 0,
      logicalBytes: 0,
      readBytes: 0,
      unsavedCount: 0,
    };
    await Promise.all([
      this.post(API.commit(started.runId), JSON.stringify(commit), grant),
      this.post(API.abort(started.runId), JSON.stringify({ outcome: 'cancelled' }), grant),
    ]);
  }

  /** A token of the enrolled agent. */
  async agentToken(): Promise<string> {
    const identity = JSON.parse(readFileSync(join(this.statePath, 'identity.json'), 'utf8')) as Record<string, string>;
    const { clientId, secret } = identity;
    const answer = await this.post(API.agentToken, JSON.stringify({ clientId, secret }));
    return ((await answer.json()) as { token: string }).token;
  }

  private async post(
    path: string,
    body: string | Buffer,
    headers: Record<string, string> = {},
    type = 'application/json',
  ): Promise<Response> {
    return fetch(this.server.url + path, {
      method: 'POST',
      headers: { ...headers, 'content-type': type, [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
  }

  async end(): Promise<void> {
    this.isStopping = true;
    await this.server.kill('SIGTERM');
    await this.supervision;
    await this.server.end();
    this.socket.close();
    this.folder.remove();
  }
}
