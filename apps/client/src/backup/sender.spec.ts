import { randomBytes } from 'node:crypto';
import type { ChunkKey, Compressor, PlainChunk } from '#engine';
import { dataChunkId, decodeBlock, keyString } from '#engine';
import type { RunToken, ServerApi } from '../server-api/server-api';
import { BatchSender } from './batch-sender';
import { likenessOf } from './chunk-sink';
import type { IndexWriter } from './index-writer';
import { Sender } from './sender';
import { closeStep } from './steps';
import { Uploader } from './uploader';
import { limitsOf, Window, WINDOW_BYTES } from './window';

const RUN: RunToken = { runId: 'run', token: 'token' };
const MIB = 1024 * 1024;

/** A server whose uploads are answered when the test says so. */
class SlowServer {
  readonly asked: string[][] = [];
  readonly begun: string[][] = [];
  readonly log: string[] = [];
  private readonly waiting: ((error?: Error) => void)[] = [];
  private mayCompress: Promise<void> = Promise.resolve();

  /** Stores, when it may. */
  readonly compress: Compressor = async () => {
    await this.mayCompress;
    return null;
  };

  /** Returns what lets it go on. */
  holdCompression(): () => void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.mayCompress = promise;
    return () => {
      resolve(undefined);
    };
  }

  readonly api = {
    missing: (_run: RunToken, keys: readonly ChunkKey[]) => {
      this.asked.push(keys.map(keyString));
      return Promise.resolve([...keys]);
    },
    uploadPack: (_run: RunToken, blocks: readonly Buffer[]) => {
      const number = this.begun.length;
      this.begun.push(blocks.flatMap((block) => decodeBlock(block, 'test').chunks.map(keyString)));
      return new Promise((resolve, reject) => {
        this.waiting.push((error) => {
          this.log.push(`pack ${number}`);
          if (error === undefined) resolve({ newChunks: 1, storedBytes: 1 });
          else reject(error);
        });
      });
    },
    sendBatch: () => {
      this.log.push('batch');
      return Promise.resolve({});
    },
  } as unknown as ServerApi;

  answer(number: number, error?: Error): void {
    this.waiting[number]?.(error);
  }

  async begins(uploads: number): Promise<void> {
    while (this.begun.length < uploads) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

let server: SlowServer;
let sender: Sender;
beforeEach(() => {
  server = new SlowServer();
  const uploader = new Uploader(server.api, RUN, server.compress, () => undefined, new AbortController().signal);
  const index = { add: () => undefined } as unknown as IndexWriter;
  const repair = { again: () => Promise.resolve(null), giveUp: () => null };
  sender = new Sender(uploader, new BatchSender(server.api, RUN, repair), index, () => Promise.resolve());
});

function chunkOf(bytes: Buffer): PlainChunk {
  return { id: dataChunkId(bytes), height: 0, bytes };
}

/** Chunks that fill the window `number` to the last byte. */
async function fill(number: number): Promise<PlainChunk[]> {
  const chunks: PlainChunk[] = [];
  for (let left = limitsOf(number).plainBytes; left > 0; left -= MIB) chunks.push(chunkOf(randomBytes(MIB)));
  for (const chunk of chunks) await sender.add(chunk);
  return chunks;
}

describe('windows', () => {
  it('grow from a small first one to the largest, which one allocation holds', () => {
    const sizes = [0, 1, 2, 3, 4, 1_000_000].map((number) => limitsOf(number).plainBytes / MIB);
    expect(sizes).toEqual([2, 4, 8, 16, 16, 16]);
    expect(WINDOW_BYTES).toBe(16 * MIB);
    expect([0, 1, 2, 3, 1_000_000].map((number) => limitsOf(number).chunks)).toEqual([512, 1_024, 1_900, 1_900, 1_900]);
  });

  it('end at their number of chunks too', () => {
    const window = new Window(Buffer.allocUnsafeSlow(WINDOW_BYTES), { plainBytes: MIB, chunks: 2 });
    expect(window.tryAdd('a', chunkOf(Buffer.from('a')))).toBe(true);
    expect(window.tryAdd('b', chunkOf(Buffer.from('b')))).toBe(true);
    expect(window.tryAdd('c', chunkOf(Buffer.from('c')))).toBe(false);
  });
});

describe('sending', () => {
  it('begins the next upload before the one before it is answered', async () => {
    await fill(0);
    await fill(1);
    await sender.add(chunkOf(randomBytes(MIB)));
    await server.begins(2);
    expect(server.log).toEqual([]);
    const finished = sender.finish();
    server.answer(0);
    server.answer(1);
    await server.begins(3);
    server.answer(2);
    await finished;
  });

  it('holds a fourth window back until the first is acknowledged', async () => {
    for (let number = 0; number < 4; number++) await fill(number);
    const waiting = sender.add(chunkOf(randomBytes(MIB)));
    await server.begins(3);
    let isTaken = false;
    void waiting.then(() => (isTaken = true));
    server.answer(1);
    server.answer(2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isTaken).toBe(false);
    server.answer(0);
    await waiting;
  });

  it('holds a third window back while two are not compressed yet', async () => {
    const release = server.holdCompression();
    for (let number = 0; number < 3; number++) await fill(number);
    const waiting = sender.add(chunkOf(randomBytes(MIB)));
    let isTaken = false;
    void waiting.then(() => (isTaken = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isTaken).toBe(false);
    release();
    await waiting;
    expect(server.log).toEqual([]);
  });

  it('fills memory again that blocks were made of, and sends what was in it', async () => {
    const chunks: PlainChunk[] = [];
    for (let number = 0; number < 8; number++) {
      chunks.push(...(await fill(number)));
      await server.begins(number);
      if (number > 0) server.answer(number - 1);
    }
    const finished = sender.finish();
    await server.begins(8);
    server.answer(7);
    await finished;
    // The server reads blocks strictly: each chunk is what its name says.
    expect(server.begun.flat()).toEqual(chunks.map(keyString));
  });

  it('puts chunks of like files side by side, else in their order', async () => {
    const names = ['b.txt', 'a.LOG', 'plain', 'a.txt', '.hidden', 'b.log'];
    const chunks = names.map((name) => ({ ...chunkOf(Buffer.from(name)), likeness: likenessOf(Buffer.from(name)) }));
    for (const chunk of chunks) await sender.add(chunk);
    const finished = sender.finish();
    await server.begins(1);
    const order = ['plain', '.hidden', 'a.LOG', 'b.log', 'b.txt', 'a.txt'];
    expect(server.begun[0]).toEqual(order.map((name) => keyString(chunkOf(Buffer.from(name)))));
    server.answer(0);
    await finished;
  });

  it('records steps when the chunks of all windows up to theirs are acknowledged', async () => {
    await fill(0);
    await sender.step(closeStep(Buffer.from('/a'), 'deleted'));
    await fill(1);
    await sender.step(closeStep(Buffer.from('/b'), 'deleted'));
    const finished = sender.finish();
    await server.begins(2);
    server.answer(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.log).toEqual(['pack 1']);
    server.answer(0);
    await finished;
    expect(server.log).toEqual(['pack 1', 'pack 0', 'batch', 'batch']);
  });

  it('uploads a chunk once that occurs again while it is on its way', async () => {
    const [first] = await fill(0);
    const other = chunkOf(randomBytes(MIB));
    await sender.add(other);
    await sender.add(first as PlainChunk);
    const finished = sender.finish();
    await server.begins(2);
    expect(server.begun[1]).toEqual([keyString(other)]);
    server.answer(0);
    server.answer(1);
    await finished;
  });

  it('sends a list only when what was sent before it is acknowledged', async () => {
    await fill(0);
    await sender.add({ id: randomBytes(32), height: 1, bytes: randomBytes(44) });
    const finished = sender.finish();
    await server.begins(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.asked).toHaveLength(2);
    expect(server.begun).toHaveLength(1);
    server.answer(0);
    // The fake reads blocks strictly, and this is no list that could be: what matters is that it came now.
    await expect(finished).rejects.toThrow();
  });

  it('ends with what failed, and records nothing after it', async () => {
    await fill(0);
    await sender.step(closeStep(Buffer.from('/a'), 'deleted'));
    await fill(1);
    await server.begins(1);
    server.answer(0, new Error('the disk is full'));
    await expect(sender.finish()).rejects.toThrow('the disk is full');
    expect(server.log).toEqual(['pack 0']);
    expect(sender.tryAdd(chunkOf(Buffer.from('more')))).toBe(false);
    await expect(sender.add(chunkOf(Buffer.from('more')))).rejects.toThrow('the disk is full');
  });
});
