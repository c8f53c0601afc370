import { isMountPoint, parseMountPoints, readMountPoints } from './mount-points';

describe('mount points', () => {
  it('are read as bytes, with what is written in octal', () => {
    const text = [
      '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
      '30 22 254:0 /src /a\\040b\\134c\\011\u00ff rw shared:1 - ext4 /dev/vda rw',
      '',
    ].join('\n');
    const { paths, parents } = parseMountPoints(text);
    expect([...paths]).toEqual(['/', '/a b\\c\t\u00ff']);
    expect([...parents]).toEqual(['/']);
  });

  it('are known of this system', () => {
    expect(readMountPoints(Buffer.from('/')).paths.has('/')).toBe(process.platform === 'linux');
  });
});

describe('a file system is mounted on a directory', () => {
  const table = (...paths: string[]) => ({ paths: new Set(paths), parents: new Set<string>() });
  const isMount = (isOtherDevice: boolean, ids: [string | null, string | null], paths: string[]): boolean =>
    isMountPoint(
      { path: Buffer.from('/a'), isOtherDevice, mountId: () => ids[0], parentMountId: () => ids[1] },
      table(...paths),
    );

  it.each<[string, boolean, [string | null, string | null], string[], boolean]>([
    ['another file system', true, ['2', '1'], ['/', '/a'], true],
    ['another file system, mounted since the table was read', true, ['2', '1'], ['/'], true],
    ['a directory bound there from the same file system', false, ['2', '1'], ['/', '/a'], true],
    ['unmounted since the table was read', false, ['1', '1'], ['/', '/a'], false],
    ['a subvolume: another device of the same mount', true, ['1', '1'], ['/'], false],
    ['another device that cannot be opened, listed', true, [null, '1'], ['/', '/a'], true],
    ['another device that cannot be opened, not listed', true, [null, '1'], ['/'], false],
    ['another device where the system tells nothing', true, [null, null], [], true],
  ])('%s', (_, isOtherDevice, ids, paths, expected) => {
    expect(isMount(isOtherDevice, ids, paths)).toBe(expected);
  });

  it('and nothing is asked of a plain directory', () => {
    const ask = () => {
      throw new Error('asked');
    };
    const plain = { path: Buffer.from('/b'), isOtherDevice: false, mountId: ask, parentMountId: ask };
    expect(isMountPoint(plain, table('/', '/a'))).toBe(false);
  });
});
