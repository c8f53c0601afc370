import { Inject, Injectable } from '@nestjs/common';
import { AgentLog } from '../log/agent-log';
import { TryAgainLater } from '../server-api/retry';
import { isProblem, ServerUnreachableError } from '../server-api/server-problem';
import type { ServiceSettings } from './tokens';
import { SETTINGS } from './tokens';

export type LinkState =
  | { readonly is: 'connecting' }
  | { readonly is: 'online' }
  | { readonly is: 'away'; readonly reason: string; readonly sinceMs: number }
  /** The server does not know this agent (any more): only the poll asks it, rarely, whether that is still so. */
  | { readonly is: 'refused'; readonly reason: string };

/** A server that is back is not asked by all agents in one moment: runs that waited begin within so long. */
const SPREAD_MS = 15_000;

/** Whether the server can be reached, as the long poll finds it; those who need it wait here. */
@Injectable()
export class ServerLink {
  private current: LinkState = { is: 'connecting' };
  private waiting: (() => void)[] = [];

  constructor(
    private readonly log: AgentLog,
    @Inject(SETTINGS) private readonly settings: ServiceSettings,
  ) {}

  get state(): LinkState {
    return this.current;
  }

  get isRefused(): boolean {
    return this.current.is === 'refused';
  }

  /** The server answered what was asked while it refused this agent: it knows it after all. */
  accept(): void {
    if (!this.isRefused) return;
    this.current = { is: 'connecting' };
    this.log.info('the server accepts this client again');
  }

  /** The server answered. What was under way when it refused this agent does not count: see accept. */
  found(): void {
    const before = this.current;
    if (before.is === 'online' || before.is === 'refused') return;
    this.current = { is: 'online' };
    this.log.info(before.is === 'away' ? 'the server is back' : 'connected to the server');
    const awayMs = before.is === 'away' ? Date.now() - before.sinceMs : 0;
    const waiting = this.waiting;
    this.waiting = [];
    const spreadMs = Math.min(awayMs, SPREAD_MS, this.settings.longestPauseMs) * Math.random();
    setTimeout(() => {
      for (const wake of waiting) wake();
    }, spreadMs).unref();
  }

  /** A call failed: what it means for the link. Returns true when the server is away and the call may be repeated. */
  lost(error: unknown): boolean {
    if (this.isRefused) return false;
    if (isProblem(error, 'client-revoked')) {
      this.refuse('this client was revoked on the server');
      return false;
    }
    if (isProblem(error, 'unauthenticated')) {
      this.refuse(
        'the server does not accept the secret of this client any more: another agent was enrolled as this client, it was deleted, or the server has another database',
      );
      return false;
    }
    // A disabled account: over when an admin says so, and until then asked for at the pace of a server that is away.
    const isHeld = isProblem(error, 'forbidden');
    if (!isHeld && !(error instanceof TryAgainLater || error instanceof ServerUnreachableError)) return false;
    if (this.current.is !== 'away') {
      this.current = { is: 'away', reason: error.message, sinceMs: Date.now() };
      const what = isHeld ? 'the server refuses this client for now' : 'the server is away';
      this.log.warn(`${what} (${error.message}): runs that are due wait for it`);
    }
    return true;
  }

  /** This machine was enrolled again: all begins anew. */
  forget(): void {
    this.current = { is: 'connecting' };
    this.waiting = [];
  }

  /** Resolves when the server answers (again); rejects when the signal is aborted. */
  async whenOnline(signal: AbortSignal): Promise<void> {
    if (this.current.is === 'online') return;
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'));
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.push(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  private refuse(reason: string): void {
    this.current = { is: 'refused', reason };
    this.log.error(
      `${reason}. Runs that are due wait; the server is asked again every 10 to 15 minutes. Enrol this machine again (holdfast enroll) if that is not to be.`,
    );
  }
}
