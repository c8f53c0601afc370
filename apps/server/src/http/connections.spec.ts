import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
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
    connections = new Connections(server, IDLE_MS);
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
