import fc from 'fast-check';
import { collect } from '../golden/damage';
import { arbitraryPath } from '../golden/records';
import { CorruptError, InvalidError } from './errors';
import { mergeByPath } from './merge';
import { comparePaths } from './path';

interface Line {
  path: Buffer;
  side: string;
}

const sorted = fc
  .uniqueArray(arbitraryPath, { maxLength: 20, selector: (path) => path.toString('latin1') })
  .map((paths) => paths.sort(comparePaths));

async function* lines(paths: readonly Buffer[], side: string): AsyncGenerator<Line> {
  for (const path of paths) yield { path, side };
}

const named = (...paths: string[]) => paths.map((path) => Buffer.from(path));

describe('merge by path', () => {
  it('gives every path of either side once, in walk order, with what each side says', async () => {
    await fc.assert(
      fc.asyncProperty(sorted, sorted, async (old, now) => {
        const merged = await collect(mergeByPath(lines(old, 'old'), lines(now, 'now')));
        const all = new Map([...old, ...now].map((path) => [path.toString('latin1'), path]));
        const wanted = [...all.values()].sort(comparePaths).map((path) => ({
          ...(old.some((p) => p.equals(path)) && { old: { path, side: 'old' } }),
          ...(now.some((p) => p.equals(path)) && { now: { path, side: 'now' } }),
        }));
        expect(merged).toEqual(wanted);
      }),
    );
  });

  it('blames the index for disorder in it, and the walk for disorder there', async () => {
    for (const paths of [named('/b', '/a'), named('/a', '/a'), named('/a-b', '/a/b')]) {
      await expect(collect(mergeByPath(lines(paths, 'old'), lines([], 'now')))).rejects.toThrow(CorruptError);
      await expect(collect(mergeByPath(lines([], 'old'), lines(paths, 'now')))).rejects.toThrow(InvalidError);
    }
  });

  it('holds one record of each side: neither is read ahead of the other', async () => {
    const read = { old: 0, now: 0 };
    async function* endless(side: 'old' | 'now'): AsyncGenerator<Line> {
      for (;;) yield { path: Buffer.from(`/${String(read[side]++).padStart(9, '0')}`), side };
    }
    let seen = 0;
    for await (const { old, now } of mergeByPath(endless('old'), endless('now'))) {
      expect(old?.path).toEqual(now?.path);
      seen++;
      expect([read.old, read.now]).toEqual([seen, seen]);
      if (seen === 5000) break;
    }
  });

  it('lets both sides go, when it ends early and when one fails', async () => {
    const released: string[] = [];
    async function* source(side: string, paths: Buffer[]): AsyncGenerator<Line> {
      try {
        yield* lines(paths, side);
        if (side === 'bad') throw new Error('disk gone');
      } finally {
        released.push(side);
      }
    }
    for await (const { old } of mergeByPath(source('old', named('/a', '/b')), source('now', named('/a', '/c')))) {
      expect(old?.side).toBe('old');
      break;
    }
    expect(released.sort()).toEqual(['now', 'old']);
    const failing = collect(mergeByPath(source('other', named('/a', '/b')), source('bad', named('/a'))));
    await expect(failing).rejects.toThrow('disk gone');
    expect(released).toContain('other');
  });
});
