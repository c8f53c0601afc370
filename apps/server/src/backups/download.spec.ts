import { downloadBytes } from './download-bytes';
import { attachment, parseRange } from './download-headers';
import { decodeVersion, encodeVersion } from './file-paths';
import { heldBytes } from './held-bytes';
import { HELD_MEMORY } from '../http/held-memory';

describe('the header of a download', () => {
  it.each([
    ['plain.txt', `attachment; filename="plain.txt"; filename*=UTF-8''plain.txt`],
    ['a "b"\\c%.txt', `attachment; filename="a _b__c_.txt"; filename*=UTF-8''a%20%22b%22%5Cc%25.txt`],
    ["naïve's (1)*.txt", `attachment; filename="na_ve's (1)*.txt"; filename*=UTF-8''na%C3%AFve%27s%20%281%29%2A.txt`],
    ['a\r\nset-cookie: x', `attachment; filename="a__set-cookie: x"; filename*=UTF-8''a%0D%0Aset-cookie%3A%20x`],
  ])('names %j in both forms', (name, header) => {
    expect(attachment(Buffer.from(name))).toBe(header);
  });

  it.each([
    [undefined, null],
    ['bytes=0-9', { start: 0, end: 10 }],
    ['bytes=90-', { start: 90, end: 100 }],
    ['bytes=90-1000', { start: 90, end: 100 }],
    ['bytes=-10', { start: 90, end: 100 }],
    ['bytes=-1000', { start: 0, end: 100 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=9-3', null],
    ['bytes=-', null],
    ['bytes=0-1,5-6', null],
    ['lines=0-1', null],
  ])('asks by %s for %j of 100 bytes', (header, range) => {
    expect(parseRange(header, 100)).toEqual(range);
  });

  it('has nothing of an empty file to give in parts', () => {
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(parseRange('bytes=-5', 0)).toBe('unsatisfiable');
  });
});

describe('the name of a version', () => {
  it('holds snapshot and path, whatever its bytes', () => {
    const reference = { snapshotId: '7f3e2a10-0000-4000-8000-000000000001', path: Buffer.from('/a\xff b', 'latin1') };
    expect(decodeVersion(encodeVersion(reference))).toEqual(reference);
  });

  it.each(['', 'x', '7f3e2a10-0000-4000-8000-000000000001', '7f3e2a10-0000-4000-8000-000000000001.YQ', '../etc'])(
    'is not %j',
    (text) => {
      expect(() => decodeVersion(text)).toThrow();
    },
  );
});

describe('the bytes of a download', () => {
  const MINUTE_MS = 60_000;

  /** Passes on one piece for each time at which it is taken; returns when the snapshot was held anew. */
  async function holdsAt(minutes: readonly number[], isAway = false): Promise<number[]> {
    let now = 0;
    const held: number[] = [];
    const bytes = (async function* () {
      await Promise.resolve();
      for (const minute of minutes) {
        now = minute * MINUTE_MS;
        yield Buffer.from([minute]);
      }
    })();
    const hold = (): Promise<void> => {
      held.push(now / MINUTE_MS);
      return isAway ? Promise.reject(new Error('the database is away')) : Promise.resolve();
    };
    const passed: number[] = [];
    for await (const piece of heldBytes(bytes, hold, () => now)) passed.push(piece[0]!);
    expect(passed).toEqual(minutes);
    return held;
  }

  it('hold their snapshot anew as they go, for as long as they go', async () => {
    await expect(holdsAt([0, 1, 9])).resolves.toEqual([]);
    await expect(holdsAt([0, 9, 12, 13, 21, 22, 60])).resolves.toEqual([12, 22, 60]);
  });

  it('go on when it cannot be held anew, and try again', async () => {
    await expect(holdsAt([0, 12, 30], true)).resolves.toEqual([12, 30]);
  });
});

describe('what a download holds', () => {
  const MIB = 1024 * 1024;
  const mib = (start: number, end: number, size: number): number =>
    Math.ceil(downloadBytes({ start, end }, size) / MIB);

  it.each([
    ['nothing', 0, 0, 0, 6],
    ['a small file', 0, 1_000, 1_000, 6],
    ['a small file that shares its block', 0, 256 * 1024, 256 * 1024, 7],
    // Its chunks are read whole, and so are their blocks.
    ['a byte of a huge file', 5, 6, 1e12, 24],
    ['a file of two chunks', 0, 2 * MIB, 2 * MIB, 14],
    ['a huge file', 0, 1e12, 1e12, 32],
  ])('of %s is bounded by what is read for it', (_, start, end, size, most) => {
    expect(mib(start, end, size)).toBe(most);
  });

  it('lets one person have many small ones at a time', () => {
    expect(Math.floor(HELD_MEMORY.perCaller / downloadBytes({ start: 0, end: 1_000 }, 1_000))).toBeGreaterThan(20);
    expect(Math.floor(HELD_MEMORY.perCaller / downloadBytes({ start: 0, end: 1e12 }, 1e12))).toBe(5);
  });
});
