import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KillPoints, killPointsFrom, nameOfHost } from '#common';
import type { Credentials } from '../config/service-settings';
import { AgentLog } from '../log/agent-log';
import { LogSpool } from '../log/log-spool';
import { loadServerTrust } from '../server-api/server-trust';
import { HttpFleetApi } from '../server-api/http-fleet-api';
import { HttpServerApi } from '../server-api/http-server-api';
import { isProblem, ServerProblem } from '../server-api/server-problem';
import { type Identity, loadIdentity, saveIdentity } from '../state/identity';
import { type SavedSettings, ServiceState } from '../state/service-state';
import { AgentSession } from './agent-session';
import { AgentWork } from './agent-work';
import { Backoff } from './backoff';
import { enrol, type EnrolmentTarget } from './enrolment';
import { ServerClock } from './server-clock';
import { ServerLink } from './server-link';
import { Stopping } from './stopping';
import { messageOf } from './task-run';
import { TaskMemories } from './task-memory';
import { ENVIRONMENT, type Environment, MACHINE, type Machine, type ServiceSettings, SETTINGS } from './tokens';

/** The command line may enrol this machine while the service waits for it. */
const LOOK_FOR_IDENTITY_MS = 2_000;
const LOOK_JOB = 'enrolled elsewhere';
const AGAIN_JOB = 'enrolled again';

/** The life of the service: not enrolled, then at work until it is stopped. */
@Injectable()
export class AgentService implements OnApplicationBootstrap {
  private work: AgentWork | null = null;
  private ending = new AbortController();
  private fatal: (error: Error) => void = () => undefined;
  /** Rejects when the agent cannot do what it is for and nobody can help it (no page). */
  readonly failed = new Promise<never>((_, reject) => {
    this.fatal = reject;
  });
  private readonly killPoints: KillPoints;

  constructor(
    @Inject(SETTINGS) readonly settings: ServiceSettings,
    @Inject(MACHINE) private readonly machine: Machine,
    @Inject(ENVIRONMENT) private readonly environment: Environment,
    private readonly state: ServiceState,
    private readonly spool: LogSpool,
    private readonly log: AgentLog,
    private readonly link: ServerLink,
    private readonly clock: ServerClock,
    private readonly registry: SchedulerRegistry,
    private readonly stopping: Stopping,
  ) {
    this.killPoints = killPointsFrom(settings.killAt);
    this.failed.catch(() => undefined);
  }

  /** Null before this machine is enrolled. */
  get current(): AgentWork | null {
    return this.work;
  }

  onApplicationBootstrap(): void {
    const identity = loadIdentity(this.settings.stateDir);
    if (identity !== null) void this.resume(identity).catch(this.fatal);
    else void this.enrolFromSettings();
  }

  /** What the environment sets, else what the page saved. */
  wanted(): SavedSettings {
    const saved = this.state.settings.load();
    const { serverUrl, clientName, monitoredPaths } = this.settings;
    return {
      serverUrl: serverUrl ?? saved?.serverUrl ?? '',
      clientName: clientName ?? saved?.clientName ?? nameOfHost(this.machine.hostName),
      monitoredPaths: monitoredPaths.length > 0 ? monitoredPaths : (saved?.monitoredPaths ?? []),
    };
  }

  /** Enrols with what a person gave to the page, keeps it, and begins to work. Throws what the server refuses with. */
  async enrolAs(wanted: SavedSettings, credentials: Credentials): Promise<void> {
    const { serverUrl, clientName } = wanted;
    // Before the identity: an agent that is enrolled and knows no folders would back up nothing, and ask nobody.
    this.state.settings.save(wanted);
    const identity = await this.enrol({ serverUrl, clientName, credentials });
    this.replaceWork(identity);
  }

  /** Ends everything; resolves when nothing of it is left. */
  async stop(): Promise<void> {
    this.stopping.stop();
    for (const job of [LOOK_JOB, AGAIN_JOB])
      if (this.registry.doesExist('interval', job)) this.registry.deleteInterval(job);
    await this.work?.end();
  }

  private async enrolFromSettings(): Promise<void> {
    const { credentials } = this.settings;
    const { serverUrl, clientName } = this.wanted();
    if (credentials === null || serverUrl === '') {
      this.waitForIdentity();
      return;
    }
    try {
      const identity = await this.enrolWhenPossible({ serverUrl, clientName, credentials });
      if (identity !== null) this.begin(identity);
    } catch (error) {
      const reason = `this machine cannot be enrolled at ${serverUrl}: ${messageOf(error)}`;
      this.log.error(reason);
      if (this.settings.page.isEnabled) this.waitForIdentity();
      else this.fatal(new Error(reason));
    }
  }

  /** Waits for a server that is away. Null: the agent was stopped meanwhile. */
  private async enrolWhenPossible(target: EnrolmentTarget): Promise<Identity | null> {
    const backoff = new Backoff(this.settings.longestPauseMs);
    const { signal } = this.stopping;
    let isSaid = false;
    while (!signal.aborted) {
      try {
        return await this.enrol(target);
      } catch (error) {
        if (error instanceof ServerProblem && !isProblem(error, 'slow-down', 'unavailable')) throw error;
        if (!isSaid) this.log.warn(`the server cannot be reached yet: ${messageOf(error)}`);
        isSaid = true;
        await sleep(backoff.pause(), undefined, { signal }).catch(() => undefined);
      }
    }
    return null;
  }

  private async enrol(target: EnrolmentTarget): Promise<Identity> {
    const { settings, state, killPoints, machine } = this;
    const identity = await enrol(target, {
      stateDir: settings.stateDir,
      state,
      killPoints,
      trust: loadServerTrust(settings, loadIdentity(settings.stateDir)),
      hostName: machine.hostName,
    });
    this.log.info(`enrolled as "${identity.clientName}" at ${identity.serverUrl}`);
    return identity;
  }

  private waitForIdentity(): void {
    this.log.info('this machine is not enrolled yet: use the configuration page, or `holdfast enroll`');
    const timer = setInterval(() => {
      const identity = loadIdentity(this.settings.stateDir);
      if (identity === null || this.work !== null) return;
      this.registry.deleteInterval(LOOK_JOB);
      this.begin(identity);
    }, LOOK_FOR_IDENTITY_MS);
    this.registry.addInterval(LOOK_JOB, timer);
  }

  /** An earlier enrolment counts. The server may have moved; when it is another one, this machine is enrolled there. */
  private async resume(known: Identity): Promise<void> {
    const identity = this.withSetFingerprints(known);
    const { serverUrl, clientName, credentials } = this.settings;
    if (clientName !== null && clientName !== identity.clientName) {
      this.log.warn(
        `CLIENT_NAME is ignored: this machine is enrolled as "${identity.clientName}" already (remove ${this.settings.stateDir}/identity.json to enrol it anew)`,
      );
    }
    if (serverUrl === null || serverUrl === identity.serverUrl) {
      this.begin(identity);
      return;
    }
    const moved: Identity = { ...identity, serverUrl };
    if (credentials === null || (await this.isKnownAt(moved))) {
      saveIdentity(this.settings.stateDir, moved, this.killPoints);
      this.begin(moved);
      return;
    }
    await this.enrolFromSettings();
  }

  /** SERVER_CERT_FINGERPRINT replaces what the enrolment kept, for later starts without it as well. */
  private withSetFingerprints(identity: Identity): Identity {
    const { fingerprints, stateDir } = this.settings;
    if (fingerprints === null || isDeepStrictEqual(fingerprints, identity.fingerprints)) return identity;
    const changed: Identity = { ...identity, fingerprints };
    saveIdentity(stateDir, changed, this.killPoints);
    return changed;
  }

  /** True also when it cannot be told: then the poll finds out. */
  private async isKnownAt(identity: Identity): Promise<boolean> {
    const { serverUrl, clientId, secret } = identity;
    const fleet = new HttpFleetApi({
      serverUrl,
      credentials: { clientId, secret },
      trust: loadServerTrust(this.settings, identity),
    });
    try {
      await fleet.me();
      return true;
    } catch (error) {
      return !isProblem(error, 'unauthenticated');
    } finally {
      fleet.close();
    }
  }

  private begin(identity: Identity): void {
    const { settings, state, killPoints, registry, environment, machine, link, log, spool, clock } = this;
    const { serverUrl, clientId, secret } = identity;
    const credentials = { clientId, secret };
    const trust = loadServerTrust(settings, identity);
    const session = new AgentSession({
      identity,
      api: new HttpServerApi({ serverUrl, credentials, trust, retry: { retryForMs: settings.retryForMs } }),
      fleet: new HttpFleetApi({ serverUrl, credentials, trust }),
      settings,
      monitoredPaths: this.wanted().monitoredPaths,
      state,
      memories: new TaskMemories(state, clientId),
      clock,
      killPoints,
    });
    const { hostName } = machine;
    this.ending = new AbortController();
    const stopping = AbortSignal.any([this.stopping.signal, this.ending.signal]);
    this.work = new AgentWork({ session, link, log, spool, registry, environment, hostName, stopping });
    this.work.start();
    this.watchForAnother(identity);
  }

  /** A refused agent goes on as soon as this machine is enrolled again (`holdfast enroll` beside it). */
  private watchForAnother(identity: Identity): void {
    const timer = setInterval(() => {
      if (!this.link.isRefused) return;
      const found = loadIdentity(this.settings.stateDir);
      if (found === null || isDeepStrictEqual(found, identity)) return;
      this.registry.deleteInterval(AGAIN_JOB);
      void this.beginAnew(found).catch(this.fatal);
    }, LOOK_FOR_IDENTITY_MS);
    this.registry.addInterval(AGAIN_JOB, timer);
  }

  private async beginAnew(identity: Identity): Promise<void> {
    this.ending.abort(new Error('this machine was enrolled again'));
    await this.work?.end();
    if (this.stopping.signal.aborted) return;
    this.log.info(`this machine was enrolled again, as "${identity.clientName}" at ${identity.serverUrl}`);
    this.link.forget();
    this.begin(identity);
  }

  private replaceWork(identity: Identity): void {
    if (this.registry.doesExist('interval', LOOK_JOB)) this.registry.deleteInterval(LOOK_JOB);
    if (this.work !== null) throw new Error('this machine is enrolled already');
    this.begin(identity);
  }
}
