import { ContentWindow } from './content-window';

const key = (letter: string): { id: Buffer; height: number } => ({ id: Buffer.alloc(32, letter), height: 0 });
const limits = { plainBytes: 100, keys: 3, placements: 5 };

describe('ContentWindow', () => {
  it('lists the placements of each chunk in their order, wherever they were added', () => {
    const window = new ContentWindow(limits);
    expect(window.isEmpty).toBe(true);
    for (const [at, letter] of ['a', 'b', 'a', 'c', 'a'].entries()) {
      expect(window.tryAdd(key(letter), 10, 40 + at)).toBe(true);
    }
    expect(window.isEmpty).toBe(false);
    expect(window.keys.count).toBe(3);
    // A chunk counts once, however often it is placed.
    expect(window.plainBytes).toBe(30);
    expect([0, 1, 2].map((number) => window.placementsOf(number))).toEqual([[40, 42, 44], [41], [43]]);
    expect(window.placementsOf(3)).toEqual([]);
  });

  it('refuses what is too much: placements, keys, bytes', () => {
    const full = new ContentWindow(limits);
    for (let index = 0; index < 5; index += 1) expect(full.tryAdd(key('a'), 10, index)).toBe(true);
    expect(full.tryAdd(key('a'), 10, 5)).toBe(false);
    const keys = new ContentWindow(limits);
    for (const letter of ['a', 'b', 'c']) expect(keys.tryAdd(key(letter), 10, 0)).toBe(true);
    expect(keys.tryAdd(key('d'), 10, 1)).toBe(false);
    expect(keys.tryAdd(key('a'), 10, 1)).toBe(true);
    const bytes = new ContentWindow(limits);
    expect(bytes.tryAdd(key('a'), 60, 0)).toBe(true);
    expect(bytes.tryAdd(key('b'), 41, 1)).toBe(false);
    expect(bytes.keys.count).toBe(1);
    expect(bytes.tryAdd(key('b'), 40, 1)).toBe(true);
  });

  it('takes one chunk that is longer than a window when it is empty', () => {
    const window = new ContentWindow(limits);
    expect(window.tryAdd(key('a'), 1_000, 0)).toBe(true);
    expect(window.tryAdd(key('b'), 1, 1)).toBe(false);
  });

  it('is as new when it was cleared', () => {
    const window = new ContentWindow(limits);
    for (const letter of ['a', 'b', 'a']) window.tryAdd(key(letter), 30, 7);
    window.clear();
    expect(window).toMatchObject({ isEmpty: true, plainBytes: 0 });
    expect(window.keys.count).toBe(0);
    expect(window.tryAdd(key('b'), 90, 9)).toBe(true);
    expect(window.placementsOf(0)).toEqual([9]);
  });
});
