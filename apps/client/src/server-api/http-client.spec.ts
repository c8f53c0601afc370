import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { HttpClient } from './http-client';

const BODY = Buffer.from(Array.from({ length: 1_000_000 }, (_, at) => (at * 7) % 251));

describe('HttpClient', () => {
  let server: Server;
  let client: HttpClient;

  beforeEach(async () => {
    server = createServer((_, answer) => answer.end(BODY)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    client = new HttpClient({ serverUrl: `http://127.0.0.1:${port}`, signal: new AbortController().signal });
  });

  afterEach(async () => {
    client.close();
    server.close();
    await once(server, 'close');
  });

  it("frees the socket's memory when it was parsed, and not before, on a connection that is used again too", async () => {
    const sockets = new Set<Socket>();
    for (let turn = 0; turn < 3; turn += 1) {
      const answer: IncomingMessage = await client.open({ method: 'GET', path: '/' });
      const { socket } = answer;
      sockets.add(socket);
      const left: number[] = [];
      const look = (piece: Buffer): void => void left.push(piece.length);
      socket.on('data', look);
      const pieces: Buffer[] = [];
      for await (const piece of client.stream(answer)) pieces.push(piece);
      socket.off('data', look);
      expect(Buffer.concat(pieces).equals(BODY)).toBe(true);
      expect(left.length).toBeGreaterThan(1);
      expect(new Set(left)).toEqual(new Set([0]));
      await new Promise(setImmediate);
    }
    expect(sockets.size).toBe(1);
  });
});
