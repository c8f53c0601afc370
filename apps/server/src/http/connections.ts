import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const HEADERS_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 120_000;
const SWEEP_MS = 50;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * The connections of a server, and how long they may last: an upload may take as long as it moves; a connection on which
 * nothing moves is cut, but never while the server itself is at work on a request that arrived whole (a commit writes a
 * manifest in silence).
 */
export class Connections {
  /** Every open connection with its latest request, if it had any. */
  private readonly exchanges = new Map<Socket, Exchange | null>();
  private isDraining = false;

  constructor(
    private readonly server: Server,
    private readonly idleTimeoutMs = IDLE_TIMEOUT_MS,
  ) {}

  /** Begins to watch; before the server listens. */
  watch(): void {
    const { server } = this;
    server.headersTimeout = HEADERS_TIMEOUT_MS;
    server.requestTimeout = 0;
    server.on('connection', (socket: Socket) => {
      this.exchanges.set(socket, null);
      socket.once('close', () => this.exchanges.delete(socket));
    });
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      this.exchanges.set(request.socket, { request, response });
      if (this.isDraining) response.setHeader('connection', 'close');
    });
    server.setTimeout(this.idleTimeoutMs, (socket: Socket) => {
      if (isAtWork(this.exchanges.get(socket) ?? null)) socket.setTimeout(this.idleTimeoutMs);
      else socket.destroy();
    });
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
}

function hasEnded(exchange: Exchange | null): boolean {
  return exchange === null || exchange.response.writableFinished || exchange.response.destroyed;
}

function isAtWork(exchange: Exchange | null): boolean {
  if (exchange === null || hasEnded(exchange)) return false;
  const isWaitingForReader = exchange.response.writableLength > 0;
  return exchange.request.complete && !isWaitingForReader;
}
