import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { makeCertificate } from '../../../../test/support/certificate';
import { Connections } from './connections';

const IDLE_MS = 60;

describe('connections', () => {
  let server: Server;
  let connections: Connections;
  let exchanges: { request: IncomingMessage; response: ServerResponse }[];
  const sockets: Socket[] = [];

  beforeEach(async () => {
    exchanges = [];
    server = createServer((request, response) => {
      exchanges.push({ request, response });
    });
    connections = new Connections(server, { idleTimeoutMs: IDLE_MS });
    connections.watch();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.closeAllConnections();
    server.close();
  });

  async function open(text: string): Promise<Socket> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  }

  it('on which nothing was asked are cut', async () => {
    const socket = await open('');
    socket.resume();
    await once(socket, 'close');
  });

  it('whose upload stands still are cut', async () => {
    const socket = await open('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc');
    socket.resume();
    await once(socket, 'close');
    expect(exchanges).toHaveLength(1);
  });

  it('whose body comes in drops are cut after a minute, and not while the server lets it wait', async () => {
    const watched = new Connections(server);
    Reflect.set(watched, 'exchanges', Reflect.get(connections, 'exchanges'));
    const socket = await open('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n');
    server.removeAllListeners('timeout');
    await once(server, 'request');
    const { request } = exchanges[0]!;
    const drop = async (bytes: number): Promise<void> => {
      socket.write(Buffer.alloc(bytes));
      await once(request, 'readable');
      while (request.read() !== null);
    };
    let closed = false;
    socket.resume().once('close', () => {
      closed = true;
    });
    watched.cutSlowBodies(0);
    await drop(5_000);
    watched.cutSlowBodies(59_000);
    watched.cutSlowBodies(61_000);
    socket.write(Buffer.alloc(10));
    await once(request, 'readable');
    // Nobody has read it.
    watched.cutSlowBodies(122_000);
    while (request.read() !== null);
    await drop(10);
    watched.cutSlowBodies(181_000);
    expect([closed, request.socket.destroyed]).toEqual([false, false]);
    watched.cutSlowBodies(183_000);
    expect(request.socket.destroyed).toBe(true);
    await once(socket, 'close');
  });

  it('are so many and no more, over TLS too', async () => {
    for (const make of [() => createServer(), () => createTlsServer(makeCertificate())]) {
      const full = make();
      const told: string[] = [];
      const counted: string[] = [];
      const refusals = { warn: (message: string) => told.push(message), count: (limit: string) => counted.push(limit) };
      new Connections(full, { maxConnections: 1, refusals }).watch();
      full.listen(0, '127.0.0.1');
      await once(full, 'listening');
      const { port } = full.address() as AddressInfo;
      const [first, second] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
      sockets.push(first, second);
      await once(full, 'drop');
      expect(told).toEqual([
        expect.stringMatching(/^MAX_CONNECTIONS is reached: .*: 1, the latest from 127\.0\.0\.1\.$/),
      ]);
      expect(counted).toEqual(['MAX_CONNECTIONS']);
      first.destroy();
      second.destroy();
      full.close();
      await once(full, 'close');
    }
  });

  it('that have not shaken hands do not hold up a drain, and those that have end with their request', async () => {
    const { cert, key } = makeCertificate();
    const secure = createTlsServer({ cert, key });
    const watched = new Connections(secure);
    watched.watch();
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const { port } = secure.address() as AddressInfo;
    const silent = connect(port, '127.0.0.1');
    await once(secure, 'connection');
    const busy = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    sockets.push(silent, busy);
    await once(busy, 'secureConnect');
    busy.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    const [, response] = (await once(secure, 'request')) as [IncomingMessage, ServerResponse];
    silent.resume();
    const drained = watched.drain(60_000);
    await once(silent, 'close');
    expect(response.destroyed).toBe(false);
    response.end('done');
    const [bytes] = (await once(busy, 'data')) as [Buffer];
    expect(bytes.toString()).toContain('done');
    await drained;
  });

  it('whose reader stands still are cut', async () => {
    const socket = await open('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    socket.pause();
    await once(server, 'request');
    const { response } = exchanges[0]!;
    response.write(Buffer.alloc(64 << 20));
    await once(response, 'close');
    expect(response.writableFinished).toBe(false);
  });

  it('live as long as the server works on what arrived whole', async () => {
    const socket = await open('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc');
    await once(server, 'request');
    const { request, response } = exchanges[0]!;
    request.resume();
    for (let i = 0; i < 4; i++) await new Promise((resolve) => request.socket.once('timeout', resolve));
    response.end('done');
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    expect(bytes.toString()).toContain('done');
  });

  it('end with a drain when their request has ended, and not before', async () => {
    const busy = await open('GET /busy HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(server, 'request');
    let isDrained = false;
    const drained = connections.drain(60_000).then(() => {
      isDrained = true;
    });
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(isDrained).toBe(false);
    exchanges[0]!.response.end('done');
    const [bytes] = (await once(busy, 'data')) as [Buffer];
    expect(bytes.toString()).toContain('done');
    await drained;
  });

  it('that never asked, or have their answer, do not hold up a drain', async () => {
    const fresh = await open('');
    const kept = await open('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    server.removeAllListeners('timeout');
    await once(server, 'request');
    exchanges[0]!.response.end('done');
    await once(kept, 'data');
    fresh.resume();
    kept.resume();
    await connections.drain(60_000);
  });

  it('are cut at the end of a drain', async () => {
    const busy = await open('GET /busy HTTP/1.1\r\nhost: x\r\n\r\n');
    busy.resume();
    await once(server, 'request');
    server.removeAllListeners('timeout');
    await Promise.all([connections.drain(30), once(busy, 'close')]);
  });
});
