import { KnownChunks } from './known-chunks';
import { KnownDirectories } from './known-directories';

describe('KnownChunks', () => {
  it('keeps domains apart', () => {
    const known = new KnownChunks();
    known.add(1, 'a', { no: 7, size: 3 });
    expect(known.find(1, 'a')).toEqual({ no: 7, size: 3 });
    expect(known.find(2, 'a')).toBeUndefined();
  });

  it('holds at most two generations', () => {
    const known = new KnownChunks(2);
    for (let no = 0; no < 5; no += 1) known.add(1, String(no), { no, size: 1 });
    const held = [0, 1, 2, 3, 4].filter((no) => known.find(1, String(no)) !== undefined);
    expect(held).toEqual([2, 3, 4]);
  });
});

describe('KnownDirectories', () => {
  it('keeps tasks apart', () => {
    const known = new KnownDirectories();
    known.add(1, '/a', { no: 7, parentNo: 1, isNew: true });
    expect(known.find(1, '/a')).toEqual({ no: 7, parentNo: 1, isNew: true });
    expect(known.find(2, '/a')).toBeUndefined();
  });

  it('is bounded by the length of the paths', () => {
    const known = new KnownDirectories(1_000);
    for (let no = 0; no < 9; no += 1) known.add(1, `/${String(no).repeat(450)}`, { no, parentNo: 1, isNew: false });
    const held = Array.from({ length: 9 }, (_, no) => no).filter(
      (no) => known.find(1, `/${String(no).repeat(450)}`) !== undefined,
    );
    expect(held).toEqual([6, 7, 8]);
  });

  it('forgets what it is told to, in either generation', () => {
    const known = new KnownDirectories(20);
    known.add(1, '/old', { no: 1, parentNo: 0, isNew: false });
    known.add(1, '/young-enough', { no: 2, parentNo: 0, isNew: false });
    for (const path of ['/old', '/young-enough']) {
      expect(known.find(1, path)).toBeDefined();
      known.forget(1, path);
      expect(known.find(1, path)).toBeUndefined();
    }
  });
});
