import { parseMountPoints, readMountPoints } from './mount-points';

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
