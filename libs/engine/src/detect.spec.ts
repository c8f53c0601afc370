import { SAMPLE_DETECTION, SAMPLE_ENTRIES } from '../golden/records';
import { isUnchanged, type Sighting } from './detect';

const entry = SAMPLE_ENTRIES['file']!;
const detection = SAMPLE_DETECTION;
const same: Sighting = {
  kind: 'file',
  size: entry.size,
  mtimeNs: entry.mtimeNs,
  inode: detection.inode,
  ctimeNs: detection.ctimeNs,
};

describe('a file is taken as unchanged', () => {
  it('when size, both times and inode are the same', () => {
    expect(isUnchanged({ entry, detection }, same)).toBe(true);
  });

  it.each<[string, Partial<Sighting>]>([
    ['kind', { kind: 'fifo' }],
    ['size', { size: entry.size + 1 }],
    ['mtime, by a nanosecond', { mtimeNs: entry.mtimeNs + 1n }],
    ['mtime, backwards', { mtimeNs: entry.mtimeNs - 1n }],
    ['ctime, by a nanosecond', { ctimeNs: detection.ctimeNs + 1n }],
    ['inode', { inode: detection.inode - 1n }],
  ])('not with another %s', (_, change) => {
    expect(isUnchanged({ entry, detection }, { ...same, ...change })).toBe(false);
  });

  it('not when it was read while it might still change', () => {
    expect(isUnchanged({ entry, detection: { ...detection, isRacy: true } }, same)).toBe(false);
  });

  it('on another device number too: those change over a reboot', () => {
    expect(isUnchanged({ entry, detection }, { ...same, device: detection.device + 1n })).toBe(true);
  });

  it('whatever size lstat gives to a directory', () => {
    const directory = SAMPLE_ENTRIES['directory']!;
    const now: Sighting = { ...same, kind: 'directory', size: 4096, mtimeNs: directory.mtimeNs };
    expect(isUnchanged({ entry: directory, detection }, now)).toBe(true);
  });
});
