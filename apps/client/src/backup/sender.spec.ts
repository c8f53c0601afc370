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
  /** Names of chunks that it has already. */
  readonly known = new Set<string>();
  askingFails: Error | null = null;
  /** Questions are answered when this resolves. */
  mayAnswer: Promise<void> = Promise.resolve();

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
    missing: async (_run: RunToken, keys: readonly ChunkKey[]) => {
      this.asked.push(keys.map(keyString));
      await this.mayAnswer;
      if (this.askingFails !== null) throw this.askingFails;
      return keys.filter((key) => !this.known.has(keyString(key)));
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

/** Chunks that fill the window `number` to the last byte; the server has all but the first `wanted` of them. */
async function fill(number: number, wanted = Infinity): Promise<PlainChunk[]> {
  const chunks: PlainChunk[] = [];
  for (let left = limitsOf(number).plainBytes; left > 0; left -= MIB) chunks.push(chunkOf(randomBytes(MIB)));
  for (const chunk of chunks.slice(wanted)) server.known.add(keyString(chunk));
  for (const chunk of chunks) await sender.add(chunk);
  return chunks;
}

/** Fills the windows up to the first of full size with what the server has already. */
async function grow(): Promise<void> {
  for (let number = 0; number < 3; number++) await fill(number, 0);
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

describe('gathering', () => {
  it('sends what is wanted of several windows as one pack, and records their steps in order when it is acknowledged', async () => {
    await grow();
    const wanted: PlainChunk[] = [];
    for (let window = 0; window < 4; window++) {
      const chunks = await fill(3, 2);
      wanted.push(...chunks.slice(0, 2));
      await sender.step(closeStep(Buffer.from(`/${window}`), 'deleted'));
    }
    const finished = sender.finish();
    await server.begins(1);
    expect(server.begun).toEqual([wanted.map(keyString)]);
    expect(server.log).toEqual([]);
    server.answer(0);
    await finished;
    expect(server.begun).toHaveLength(1);
    expect(server.log).toEqual(['pack 0', 'batch']);
  });

  it('does not wait for more when half of a pack is there', async () => {
    await grow();
    const first = await fill(3, 4);
    const second = await fill(3, 4);
    const third = await fill(3, 1);
    await server.begins(1);
    expect(server.begun[0]).toEqual([...first.slice(0, 4), ...second.slice(0, 4)].map(keyString));
    server.answer(0);
    const finished = sender.finish();
    await server.begins(2);
    expect(server.begun[1]).toEqual(third.slice(0, 1).map(keyString));
    server.answer(1);
    await finished;
  });

  it('sends first what a window has no room beside', async () => {
    await grow();
    const first = await fill(3, 7);
    const second = await fill(3, 12);
    await sender.add(chunkOf(randomBytes(MIB)));
    await server.begins(2);
    expect(server.begun).toEqual([first.slice(0, 7).map(keyString), second.slice(0, 12).map(keyString)]);
    for (const number of [0, 1]) server.answer(number);
    const finished = sender.finish();
    await server.begins(3);
    server.answer(2);
    await finished;
  });

  it('sends what waited for sixteen windows', async () => {
    await grow();
    const [first] = await fill(3, 1);
    for (let window = 1; window < 16; window++) await fill(3, 0);
    expect(server.begun).toEqual([]);
    await fill(3, 0);
    await server.begins(1);
    expect(server.begun[0]).toEqual([keyString(first as PlainChunk)]);
    server.answer(0);
    await sender.finish();
  });

  it('asks for two windows at once while it gathers, and no more', async () => {
    await grow();
    await fill(3, 1);
    await fill(3, 0);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.mayAnswer = promise;
    const before = server.asked.length;
    // Each closes the window before it; the third waits for an answer.
    await fill(3, 0);
    await fill(3, 0);
    const waiting = fill(3, 0);
    await new Promise((done) => setTimeout(done, 20));
    expect(server.asked.length - before).toBe(2);
    resolve(undefined);
    await waiting;
    const finished = sender.finish();
    await server.begins(1);
    server.answer(0);
    await finished;
  });

  it('does not send again what is gathered', async () => {
    await grow();
    const [first] = await fill(3, 1);
    await fill(3, 0);
    await sender.add(first as PlainChunk);
    const finished = sender.finish();
    await server.begins(1);
    server.answer(0);
    await finished;
    expect(server.begun).toEqual([[keyString(first as PlainChunk)]]);
    expect(server.asked.flat().filter((key) => key === keyString(first as PlainChunk))).toHaveLength(1);
  });

  it('records at once what needs nothing of the server', async () => {
    await grow();
    await sender.step(closeStep(Buffer.from('/a'), 'deleted'));
    await fill(3, 0);
    await fill(3, 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.log).toEqual(['batch']);
    await sender.finish();
    expect(server.begun).toEqual([]);
  });

  it('ends with a question that failed, sends nothing of what was gathered, and records none of its steps', async () => {
    await grow();
    await fill(3, 1);
    await sender.step(closeStep(Buffer.from('/a'), 'deleted'));
    await fill(3, 0);
    server.askingFails = new Error('no answer');
    await expect(sender.finish()).rejects.toThrow('no answer');
    expect(server.begun).toEqual([]);
    expect(server.log).toEqual([]);
  });
});

describe('a window', () => {
  const windowOf = (...texts: readonly string[]): Window => {
    const window = new Window(Buffer.alloc(WINDOW_BYTES));
    for (const text of texts) expect(window.tryAdd(text, chunkOf(Buffer.from(text)))).toBe(true);
    return window;
  };
  const textsOf = (window: Window): string[] => [...window.chunks.values()].map(({ bytes }) => bytes.toString());

  it('moves what is kept of it together, and takes what came after it', () => {
    const window = windowOf('first', 'the second', 'third', 'fourth');
    const [, second, , fourth] = window.chunks.values();
    window.keep([second, fourth].filter((chunk) => chunk !== undefined));
    expect(textsOf(window)).toEqual(['the second', 'fourth']);
    expect(window.memory.toString('latin1', 0, 16)).toBe('the secondfourth');
    const next = windowOf('fifth');
    next.addStep(closeStep(Buffer.from('/a'), 'deleted'));
    expect(window.tryAbsorb(next)).toBe(true);
    next.memory.fill(0);
    expect(textsOf(window)).toEqual(['the second', 'fourth', 'fifth']);
    expect(window.steps).toEqual(next.steps);
    // Of its memory, what was written before it was kept.
    expect(window.usedBytes).toBe('firstthe secondthirdfourth'.length);
  });

  it('takes nothing of one that does not fit', () => {
    const window = new Window(Buffer.alloc(WINDOW_BYTES), { plainBytes: MIB, chunks: 3 });
    const next = new Window(Buffer.alloc(WINDOW_BYTES), { plainBytes: MIB, chunks: 3 });
    for (const text of ['a', 'b']) window.tryAdd(text, chunkOf(Buffer.from(text)));
    for (const text of ['c', 'd']) next.tryAdd(text, chunkOf(Buffer.from(text)));
    next.addStep(closeStep(Buffer.from('/a'), 'deleted'));
    expect(window.tryAbsorb(next)).toBe(false);
    expect(textsOf(window)).toEqual(['a', 'b']);
    expect(window.steps).toEqual([]);
  });
});
