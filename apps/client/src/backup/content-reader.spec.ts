import { randomBytes } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { keyString } from '#engine';
import { nativeCalls, type NativeCalls } from '../system/native-calls';
import { type OfferedChunk } from './chunk-sink';
import { ContentReader, type ReadFile } from './content-reader';
import { Workspace } from './workspace.testing';

const MIB = 1_024 * 1_024;

let work: Workspace;

beforeEach(() => {
  work = new Workspace();
});

afterEach(() => {
  work.remove();
});

interface Read {
  readonly file: ReadFile;
  /** In the order in which they came. */
  readonly keys: string[];
  readonly bytes: Buffer;
}

interface Circumstances {
  /** The sink has no room at first, as while windows are on their way. */
  readonly waits?: boolean;
  readonly mayHaveHoles?: boolean;
}

/** `size` of the file as it was said to be. */
async function read(
  native: NativeCalls | null,
  path: string,
  size: number,
  { waits = false, mayHaveHoles = true }: Circumstances = {},
): Promise<Read> {
  const fd = openSync(path, 'r');
  const chunks: OfferedChunk[] = [];
  const add = async (chunk: OfferedChunk): Promise<void> => {
    if (waits && chunks.length % 3 === 0) await sleep(3);
    chunks.push({ ...chunk, bytes: Buffer.from(chunk.bytes) });
  };
  try {
    const sink = { tryAdd: () => false, add };
    const reader = new ContentReader(native);
    const file = await reader.read({ fd, size, mayHaveHoles, sink, likeness: '', onBytes: () => undefined });
    const data = chunks.filter(({ height }) => height === 0).map(({ bytes }) => bytes);
    return { file, keys: chunks.map(keyString), bytes: Buffer.concat(data) };
  } finally {
    closeSync(fd);
  }
}

describe('a large file', () => {
  it.each([
    ['at once', false],
    ['as the sink has room', true],
  ])(
    'is cut and named the same whether it is hashed in the pool or here, and comes whole and in order, %s',
    async (_, waits) => {
      const bytes = Buffer.concat([randomBytes(21 * MIB), Buffer.alloc(9 * MIB), randomBytes(7 * MIB + 17)]);
      writeFileSync(work.path('large'), bytes);
      const pooled = await read(nativeCalls(), work.path('large'), bytes.length, { waits });
      const plain = await read(null, work.path('large'), bytes.length);
      expect(pooled.bytes.equals(bytes)).toBe(true);
      expect(pooled.keys).toEqual(plain.keys);
      expect(pooled.file).toEqual(plain.file);
    },
  );

  it('comes whole around its holes', async () => {
    const fd = openSync(work.path('holes'), 'w');
    const [first, second] = [randomBytes(6 * MIB), randomBytes(5 * MIB)];
    writeSync(fd, first, 0, first.length, 3 * MIB);
    writeSync(fd, second, 0, second.length, 31 * MIB);
    ftruncateSync(fd, 40 * MIB);
    closeSync(fd);
    const pooled = await read(nativeCalls(), work.path('holes'), 40 * MIB, { waits: true });
    const expected = Buffer.alloc(40 * MIB);
    expected.set(first, 3 * MIB);
    expected.set(second, 31 * MIB);
    expect(pooled.bytes.equals(expected)).toBe(true);
    expect(pooled.file).toMatchObject({ hasHoles: true, isComplete: true });
    expect(pooled.keys).toEqual((await read(null, work.path('holes'), 40 * MIB)).keys);
  });

  it('that ended before its size has handed on what it had', async () => {
    const bytes = randomBytes(11 * MIB);
    writeFileSync(work.path('cut'), bytes);
    const pooled = await read(nativeCalls(), work.path('cut'), 20 * MIB, { mayHaveHoles: false });
    expect(pooled.file.isComplete).toBe(false);
    expect(bytes.subarray(0, pooled.bytes.length).equals(pooled.bytes)).toBe(true);
    expect(pooled.bytes.length).toBeGreaterThan(4 * MIB);
  });

  it('that is one long hole lets others have their turn, and ends when the run does', async () => {
    const size = 2 ** 40;
    const fd = openSync(work.path('hole'), 'w+');
    ftruncateSync(fd, size);
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      turning = setImmediate(turn);
    };
    let turning = setImmediate(turn);
    const sink = { tryAdd: () => false, add: () => Promise.resolve() };
    const onBytes = (): void => {
      if (turns === 3) throw new Error('the run was ended');
    };
    const reader = new ContentReader(nativeCalls());
    try {
      const reading = reader.read({ fd, size, mayHaveHoles: true, sink, likeness: '', onBytes });
      await expect(reading).rejects.toThrow('the run was ended');
    } finally {
      clearImmediate(turning);
      closeSync(fd);
    }
  });
});
