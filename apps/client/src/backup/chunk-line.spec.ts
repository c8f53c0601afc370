import { createHash } from 'node:crypto';
import { dataChunkId } from '#engine';
import { ChunkLine } from './chunk-line';
import { ContentStream, type OfferedChunk } from './chunk-sink';

/** A pool whose digests end when they are told to. */
class HeldDigests {
  readonly held: { readonly end: () => void; readonly fail: (reason: Error) => void }[] = [];

  readonly sha256 = (bytes: Buffer): Promise<Buffer> =>
    new Promise((resolve, fail) => {
      // Of what stands there when it ends: as a thread that was slow would see it.
      const end = (): void => {
        resolve(dataChunkId(bytes));
      };
      this.held.push({ end, fail });
    });

  endAll(): void {
    for (const { end } of this.held.splice(0).reverse()) end();
  }
}

const sink = {
  tryAdd: () => false,
  add: ({ id, bytes }: OfferedChunk) => {
    expect(id.equals(createHash('sha256').update(bytes).digest())).toBe(true);
    taken.push(Buffer.from(bytes));
    return Promise.resolve();
  },
};

let digests: HeldDigests;
let taken: Buffer[];
let buffer: Buffer;
let line: ChunkLine;

beforeEach(() => {
  digests = new HeldDigests();
  taken = [];
  buffer = Buffer.from('aaaabbbbccccddddeeee');
  line = new ChunkLine(buffer, new ContentStream(sink), digests);
});

const text = (): string => Buffer.concat(taken).toString();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('hashes three chunks at once, and hands them on in order, whichever ends first', async () => {
  for (const start of [0, 4, 8]) await line.add(start, start + 4);
  expect(digests.held).toHaveLength(3);
  const fourth = line.add(12, 16);
  await turn();
  expect(text()).toBe('');
  digests.endAll();
  await fourth;
  expect(text()).toBe('aaaa');
  await line.finish();
  expect(text()).toBe('aaaabbbbccccdddd');
});

it('hands on what lies where something is to be written, and no more than that', async () => {
  for (const start of [0, 4, 8]) await line.add(start, start + 4);
  expect(line.free(12, 20)).toBeUndefined();
  let isFree = false;
  const freeing = line.free(2, 5)?.then(() => (isFree = true));
  await turn();
  expect(isFree).toBe(false);
  digests.endAll();
  await freeing;
  expect(text()).toBe('aaaabbbb');
  buffer.fill('x', 0, 8);
  await line.finish();
  expect(text()).toBe('aaaabbbbcccc');
});

it('keeps what is known in its turn', async () => {
  await line.add(0, 4);
  const zero = Buffer.alloc(4, '0');
  const adding = line.addKnown({ bytes: zero, id: dataChunkId(zero) });
  digests.endAll();
  await adding;
  expect(text()).toBe('aaaa0000');
});

it('says at the next chunk that one could not be hashed, and settles when the others were', async () => {
  await line.add(0, 4);
  await line.add(4, 8);
  const [first, second] = digests.held;
  first?.fail(new Error('no digest'));
  await expect(line.finish()).rejects.toThrow('no digest');
  expect(text()).toBe('');
  let isSettled = false;
  const settling = line.settle().then(() => (isSettled = true));
  await turn();
  expect(isSettled).toBe(false);
  second?.end();
  await settling;
});

it('hashes and hands on at once without a pool', async () => {
  const plain = new ChunkLine(buffer, new ContentStream(sink), null);
  await plain.add(0, 8);
  expect(text()).toBe('aaaabbbb');
});
