import { attachment, parseRange } from './download-headers';
import { decodeVersion, encodeVersion } from './file-paths';
import { heldBytes } from './held-bytes';

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
