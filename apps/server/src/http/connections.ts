import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { DropArgument, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { AddressCounts } from './address-counts';
import { BodyPace } from './body-pace';
import { type ConnectionLimit, type RefusalListener, RefusedConnections } from './refused-connections';

const HEADERS_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 120_000;
const SWEEP_MS = 50;
const PACE_LOOK_MS = 10_000;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface ConnectionRules {
  readonly idleTimeoutMs?: number;
  /** More at a time are closed as soon as they come. */
  readonly maxConnections?: number;
  /** And more from one address, but from this host: a proxy speaks for everybody. null: no such bound. */
  readonly maxPerAddress?: number | null;
  /** Hears of those that are closed. */
  readonly refusals?: RefusalListener;
}

/**
 * The connections of a server, how many there may be, and how long they may last: an upload may take as long as it moves; a
 * connection on which nothing moves is cut, but never while the server itself is at work on a request that arrived whole (a commit
 * writes a manifest in silence); and so is one whose body comes in drops.
 */
export class Connections {
  /** Every open connection with its latest request, if it had any. */
  private readonly exchanges = new Map<Socket, Exchange | null>();
  /** TLS only: connections that have not shaken hands yet, by the address and port that they come from. */
  private readonly greeting = new Map<string, Socket>();
  private readonly counts: AddressCounts;
  private readonly refusals: RefusedConnections;
  private readonly pace = new BodyPace();
  private readonly idleTimeoutMs: number;
  private isDraining = false;

  constructor(
    private readonly server: Server,
    private readonly rules: ConnectionRules = {},
  ) {
    this.idleTimeoutMs = rules.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    this.counts = new AddressCounts(rules.maxPerAddress ?? null);
    this.refusals = new RefusedConnections(rules.refusals ?? { warn: () => undefined, count: () => undefined });
  }

  /** Begins to watch; before the server listens. */
  watch(): void {
    const { server } = this;
    server.headersTimeout = HEADERS_TIMEOUT_MS;
    server.requestTimeout = 0;
    if (this.rules.maxConnections !== undefined) server.maxConnections = this.rules.maxConnections;
    server.on('connection', (socket: Socket) => {
      if (this.counts.admit(socket)) return;
      this.tellRefused('MAX_CONNECTIONS_PER_ADDRESS', socket.remoteAddress);
      socket.destroy();
    });
    server.on('drop', (dropped?: DropArgument) => {
      this.tellRefused('MAX_CONNECTIONS', dropped?.remoteAddress);
    });
    if (server instanceof TlsServer) this.watchHandshakes(server);
    else server.on('connection', this.keep);
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      this.exchanges.set(request.socket, { request, response });
      if (this.isDraining) response.setHeader('connection', 'close');
    });
    server.setTimeout(this.idleTimeoutMs, (socket: Socket) => {
      if (isAtWork(this.exchanges.get(socket) ?? null)) socket.setTimeout(this.idleTimeoutMs);
      else socket.destroy();
    });
    const look = setInterval(() => {
      this.cutSlowBodies(performance.now());
    }, PACE_LOOK_MS).unref();
    server.once('close', () => {
      clearInterval(look);
    });
  }

  /** Cuts connections whose request's body comes too slowly, as of `nowMs` of a clock that never goes back. */
  cutSlowBodies(nowMs: number): void {
    for (const [socket, exchange] of this.exchanges) {
      if (exchange !== null && !hasEnded(exchange) && this.pace.isTooSlow(exchange.request, nowMs)) socket.destroy();
    }
  }

  /**
   * Takes no new connections, lets the requests that have begun end, and cuts what is left after `limitMs`. Resolves when
   * no connection is left.
   */
  async drain(limitMs: number): Promise<void> {
    this.isDraining = true;
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => {
        resolve();
      });
    });
    const cutIdle = (): void => {
      for (const socket of this.greeting.values()) socket.destroy();
      for (const [socket, exchange] of this.exchanges) if (hasEnded(exchange)) socket.destroy();
    };
    const sweep = setInterval(cutIdle, SWEEP_MS);
    const limit = setTimeout(() => {
      this.server.closeAllConnections();
    }, limitMs);
    cutIdle();
    await closed;
    clearInterval(sweep);
    clearTimeout(limit);
  }

  private tellRefused(limit: ConnectionLimit, address: string | undefined): void {
    this.refusals.refused(limit, address, performance.now());
  }

  private readonly keep = (socket: Socket): void => {
    this.exchanges.set(socket, null);
    socket.once('close', () => this.exchanges.delete(socket));
  };

  private watchHandshakes(server: TlsServer): void {
    server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket);
      this.greeting.set(peer, socket);
      socket.once('close', () => this.greeting.delete(peer));
    });
    server.on('secureConnection', (socket) => {
      this.greeting.delete(peerOf(socket));
      this.keep(socket);
    });
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function hasEnded(exchange: Exchange | null): boolean {
  return exchange === null || exchange.response.writableFinished || exchange.response.destroyed;
}

function isAtWork(exchange: Exchange | null): boolean {
  if (exchange === null || hasEnded(exchange)) return false;
  const isWaitingForReader = exchange.response.writableLength > 0;
  return exchange.request.complete && !isWaitingForReader;
}
