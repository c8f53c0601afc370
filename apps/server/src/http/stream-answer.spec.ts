import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import express, { type Response } from 'express';
import { streamAnswer } from './stream-answer';

const PIECES = 3_000;
/** Several fit into what Node queues before it asks to wait; all of them are more than sockets hold. */
const PIECE_BYTES = 12_000;

describe('streamAnswer', () => {
  let server: Server;
  let given = 0;
  let spentCount = 0;
  let response: Response | null = null;

  beforeEach(async () => {
    given = 0;
    spentCount = 0;
    const app = express();
    app.get('/', (_, answer, next) => {
      response = answer;
      streamAnswer(answer, 'application/octet-stream', pieces(), (piece) => {
        spentCount += 1;
        // As whoever uses the memory again would.
        piece.fill(0xff);
      }).catch(next);
    });
    server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  async function* pieces(): AsyncGenerator<Buffer> {
    for (; given < PIECES; given += 1) yield Buffer.alloc(PIECE_BYTES, given % 251);
  }

  async function open(): Promise<IncomingMessage> {
    const { port } = server.address() as AddressInfo;
    const call = request({ port, host: '127.0.0.1' });
    call.end();
    const [answer] = (await once(call, 'response')) as [IncomingMessage];
    return answer;
  }

  it('gives memory back only when the socket has taken it, however slowly the caller reads', async () => {
    const answer = await open();
    // Nothing is read until the server can send no more: pieces wait in Node.
    for (let before = -1; before !== given || response?.writableNeedDrain !== true;) {
      before = given;
      await sleep(20);
    }
    expect(given).toBeLessThan(PIECES);
    const taken: Buffer[] = [];
    for await (const piece of answer as AsyncIterable<Buffer>) taken.push(piece);
    const whole = Buffer.concat(taken);
    expect(whole.length).toBe(PIECES * PIECE_BYTES);
    const wrong = Array.from({ length: PIECES }, (_, at) => at).filter(
      (at) => !whole.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES).equals(Buffer.alloc(PIECE_BYTES, at % 251)),
    );
    expect(wrong).toEqual([]);
    expect(spentCount).toBeGreaterThan(PIECES / 2);
  });
});
