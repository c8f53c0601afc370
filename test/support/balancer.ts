import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Passed {
  readonly method: string;
  readonly path: string;
  /** Place of the server among those of the balancer; null: none took the request. */
  readonly server: number | null;
  /** Null: the connection to the server broke before it answered, and so did the one to the caller. */
  status: number | null;
}

/**
 * A balancer as anybody might put before replicas: each request goes to the next server, on a connection of its own. One
 * that takes no connections is passed over; what breaks later breaks for the caller too. It never makes an answer up, but for
 * 502 when no server takes connections.
 */
export class Balancer {
  /** Every request, in the order in which they came. */
  readonly passed: Passed[] = [];
  /** Where a request goes first, by place; null: to the next in turn. */
  prefer: (path: string) => number | null = () => null;
  private turn = 0;

  private constructor(
    private readonly server: Server,
    private readonly ports: readonly number[],
  ) {}

  static async before(ports: readonly number[]): Promise<Balancer> {
    const server = createServer();
    const balancer = new Balancer(server, ports);
    server.on('request', (incoming, answer) => {
      const path = incoming.url ?? '';
      const first = balancer.prefer(path) ?? (balancer.turn += 1);
      balancer.pass(incoming, answer, { first, tried: 0 });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private pass(incoming: IncomingMessage, answer: ServerResponse, attempt: { first: number; tried: number }): void {
    const { method = '', url: path = '', headers } = incoming;
    const place = (attempt.first + attempt.tried) % this.ports.length;
    const isLast = attempt.tried === this.ports.length;
    const passed: Passed = { method, path, server: isLast ? null : place, status: isLast ? 502 : null };
    if (isLast) {
      this.passed.push(passed);
      answer.writeHead(502).end();
      return;
    }
    const outgoing = request({ host: '127.0.0.1', port: this.ports[place], method, path, headers, agent: false });
    let isConnected = false;
    outgoing.on('socket', (socket) => {
      socket.once('connect', () => {
        isConnected = true;
        this.passed.push(passed);
        incoming.pipe(outgoing);
      });
    });
    outgoing.on('response', (found) => {
      passed.status = found.statusCode ?? 0;
      answer.writeHead(passed.status, found.headers);
      found.pipe(answer);
      found.on('error', () => answer.destroy());
      found.on('aborted', () => answer.destroy());
    });
    outgoing.on('error', () => {
      if (isConnected) answer.destroy();
      else this.pass(incoming, answer, { ...attempt, tried: attempt.tried + 1 });
    });
    answer.once('close', () => outgoing.destroy());
  }
}
