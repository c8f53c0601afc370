import { once } from 'node:events';
import {
  type ClientRequest,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the proxy does with one request instead of passing it on. */
export type Fault =
  | { readonly type: 'answer'; readonly status: number; readonly code: string }
  /** Takes the request and never answers. */
  | { readonly type: 'silence' }
  /** Takes the request and ends the connection without an answer. */
  | { readonly type: 'hang-up' }
  /** Passes the request on and the answer back, but ends the connection after so many bytes of its body. */
  | { readonly type: 'cut-answer'; readonly afterBytes: number }
  /** Passes the request on and so many bytes of the answer's body back, and then says nothing more. */
  | { readonly type: 'hold-answer'; readonly afterBytes: number }
  /** Ends the connection after so many bytes of the request's body; the server behind sees it cut as well. */
  | { readonly type: 'cut-request'; readonly afterBytes: number }
  /** Passes so many bytes of the request's body on, drops the rest and never answers, until the sender gives up. */
  | { readonly type: 'hold-request'; readonly afterBytes: number };

/**
 * Stands before a real server and fails requests on order, and on order only: it closes no idle connection, reuses none, and
 * says with 502 why the server behind could not be asked.
 */
export class FaultProxy {
  private readonly faults: { readonly method: string; readonly path: RegExp; readonly fault: Fault }[] = [];
  /** Requests that are held at this moment. */
  held = 0;
  /** Methods and paths of the requests that arrived, failed ones too. */
  readonly seen: string[] = [];
  /** Of the same requests. */
  readonly headers: IncomingHttpHeaders[] = [];

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {}

  static async before(endpoint: string): Promise<FaultProxy> {
    const server = createServer({ keepAliveTimeout: 0 });
    const proxy = new FaultProxy(server, new URL(endpoint));
    server.on('request', (incoming, answer) => {
      proxy.handle(incoming, answer);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The next `count` requests of the method (and path) meet the fault. */
  fail(method: string, fault: Fault, count = 1, path = /^/): void {
    for (let n = 0; n < count; n += 1) this.faults.push({ method, path, fault });
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private handle(incoming: IncomingMessage, answer: ServerResponse): void {
    this.seen.push(`${incoming.method ?? ''} ${incoming.url ?? ''}`);
    this.headers.push(incoming.headers);
    const index = this.faults.findIndex(
      ({ method, path }) => method === incoming.method && path.test(incoming.url ?? ''),
    );
    const fault = index === -1 ? undefined : this.faults.splice(index, 1)[0]?.fault;
    switch (fault?.type) {
      case 'answer':
        incoming.resume();
        incoming.once('end', () => {
          refuse(answer, fault.status, fault.code, 'on order');
        });
        return;
      case 'silence':
        incoming.resume();
        return;
      case 'hang-up':
        incoming.resume();
        incoming.once('end', () => answer.destroy());
        return;
      default:
        this.pass(incoming, answer, fault);
    }
  }

  private pass(
    incoming: IncomingMessage,
    answer: ServerResponse,
    fault: Extract<Fault, { afterBytes: number }> | undefined,
  ): void {
    const { hostname, port } = this.target;
    const { method, url, headers } = incoming;
    const options: RequestOptions = { hostname, port, method, path: url, headers, agent: false };
    const outgoing = request(options, (found) => {
      answer.writeHead(found.statusCode ?? 502, found.headers);
      let count = 0;
      found.on('data', (bytes: Buffer) => {
        count += bytes.length;
        if ((fault?.type === 'cut-answer' || fault?.type === 'hold-answer') && count > fault.afterBytes) {
          answer.write(bytes.subarray(0, Math.max(0, bytes.length - (count - fault.afterBytes))), () => {
            if (fault.type === 'cut-answer') answer.destroy();
          });
          found.destroy();
        } else answer.write(bytes);
      });
      found.on('end', () => answer.end());
      found.on('error', () => {
        if (fault?.type !== 'hold-answer') answer.destroy();
      });
    });
    outgoing.on('error', ({ message }) => {
      if (fault !== undefined || answer.headersSent) answer.destroy();
      else refuse(answer, 502, 'BadGateway', message);
    });
    if (fault?.type === 'hold-request') this.hold(incoming, outgoing);
    let sent = 0;
    incoming.on('data', (bytes: Buffer) => {
      sent += bytes.length;
      if (fault?.type === 'cut-request' && sent > fault.afterBytes) {
        outgoing.destroy();
        incoming.destroy();
      } else if (fault?.type !== 'hold-request' || sent <= fault.afterBytes) outgoing.write(bytes);
    });
    incoming.on('end', () => {
      if (fault?.type !== 'hold-request') outgoing.end();
    });
    incoming.on('error', () => outgoing.destroy());
  }

  private hold({ socket }: IncomingMessage, outgoing: ClientRequest): void {
    this.held += 1;
    socket.once('close', () => {
      this.held -= 1;
      outgoing.destroy();
    });
  }
}

function refuse(answer: ServerResponse, status: number, code: string, message: string): void {
  answer.writeHead(status, { 'content-type': 'application/xml' });
  answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}
