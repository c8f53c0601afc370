import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { decodeDeviceNumber, encodeDeviceNumber } from './device-number';
import { DirectoryHandle } from './directory-handle';
import { kindOf } from './kind-of';
import { nativeCalls, nativeCallsProblem } from './native-calls';
import { withoutPrivileges } from './privileges.testing';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-system-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const bytes = (text: string) => Buffer.from(text);

describe('a directory handle', () => {
  it('goes on naming the directory that was opened', () => {
    mkdirSync(join(directory, 'a'));
    writeFileSync(join(directory, 'a', 'file'), 'x');
    const handle = DirectoryHandle.open(bytes(join(directory, 'a')));
    try {
      renameSync(join(directory, 'a'), join(directory, 'b'));
      expect(handle.names()).toEqual(['file']);
      expect(handle.lstat(bytes('file')).size).toBe(1n);
    } finally {
      handle.close();
      handle.close();
    }
  });

  it('tells the same of a name by native calls, whatever it is', () => {
    const native = nativeCalls();
    const calls = native?.look;
    if (native == null || calls == null) throw new Error('this system lacks statx');
    writeFileSync(join(directory, 'file'), 'x');
    linkSync(join(directory, 'file'), join(directory, 'other name'));
    chmodSync(join(directory, 'file'), 0o4711);
    writeFileSync(join(directory, 'holes'), '');
    truncateSync(join(directory, 'holes'), 2 ** 40 + 1);
    for (const [name, seconds] of [
      ['old', -86_400 * 365],
      ['young', 2 ** 32 + 5],
    ] as const) {
      writeFileSync(join(directory, name), '');
      native.setTimes(bytes(join(directory, name)), 0n, BigInt(seconds) * 1_000_000_000n + 123n);
    }
    mkdirSync(join(directory, 'folder'));
    symlinkSync('nowhere', join(directory, 'link'));
    native.makeNode(bytes(join(directory, 'fifo')), 'fifo', 0o640);
    writeFileSync(Buffer.concat([bytes(`${directory}/`), Buffer.from([0xff, 0x01])]), '');
    const places: [string, string[]][] = [
      [directory, ['.', ...readdirSync(directory, 'latin1')]],
      ['/dev', ['null', 'zero', 'tty']],
      ['/', ['proc', 'dev', 'tmp']],
    ];
    for (const [place, names] of places) {
      const handle = DirectoryHandle.open(bytes(place));
      for (const name of names) {
        const found = handle.lstatQuietly(Buffer.from(`${name}\0`, 'latin1'), calls);
        const expected = handle.lstat(Buffer.from(name, 'latin1'));
        expect(expected).toMatchObject({ ...found });
        expect(kindOf(found!)).toBe(kindOf(expected));
      }
      expect(handle.lstatQuietly(bytes('missing\0'), calls)).toBeNull();
      handle.close();
    }
  });

  it.each([
    ['file', 0o100644n],
    ['directory', 0o041777n],
    ['symlink', 0o120777n],
    ['fifo', 0o010600n],
    ['character-device', 0o020666n],
    ['block-device', 0o060660n],
    ['socket', 0o140755n],
  ])('tells a %s by its mode', (kind, mode) => {
    expect(kindOf({ mode })).toBe(kind);
  });

  it('lists the same names by native calls, of any kind and number', () => {
    const calls = nativeCalls()?.look;
    if (calls == null) throw new Error('this system lacks getdents64');
    const odd = ['..x', ' ', 'a'.repeat(255), '\n', 'ä'.repeat(100)];
    for (const name of odd) writeFileSync(join(directory, name), '');
    writeFileSync(Buffer.concat([bytes(`${directory}/`), Buffer.from([0xff, 0x01])]), '');
    for (let n = 0; n < 3_000; n++) writeFileSync(join(directory, `a longer name of file ${n}`), '');
    mkdirSync(join(directory, 'empty'));
    symlinkSync('empty', join(directory, 'link'));
    mkdirSync(join(directory, 'short'));
    const lengths = Array.from({ length: 30 }, (_, n) => 'x'.repeat(n + 1));
    for (const name of lengths) writeFileSync(join(directory, 'short', name), '');
    const handle = DirectoryHandle.open(bytes(directory));
    const short = handle.openQuietly(bytes('short\0'), calls);
    const empty = handle.openQuietly(bytes('empty\0'), calls);
    try {
      const names = handle.namesQuietly(calls);
      expect(names).toHaveLength(odd.length + 1 + 3_000 + 3);
      expect(names).toEqual(handle.names());
      // What the longer names left behind is no part of the shorter ones.
      expect(short?.namesQuietly(calls)).toEqual(lengths);
      expect(empty?.namesQuietly(calls)).toEqual([]);
      expect(empty?.stat().ino).toBe(lstatSync(join(directory, 'empty'), { bigint: true }).ino);
      for (const name of ['link\0', 'missing\0', ' \0']) expect(handle.openQuietly(bytes(name), calls)).toBeNull();
    } finally {
      short?.close();
      empty?.close();
      handle.close();
    }
    expect(calls.list(handle.fd)).toBeNull();
  });

  it('is not opened through a symlink, neither at the end nor on the way', () => {
    mkdirSync(join(directory, 'real', 'below'), { recursive: true });
    symlinkSync('real', join(directory, 'link'));
    expect(() => DirectoryHandle.open(bytes(join(directory, 'link')))).toThrow(/ENOTDIR|ELOOP/);
    expect(() => DirectoryHandle.walk(bytes(join(directory, 'link', 'below')))).toThrow(/ENOTDIR|ELOOP/);
    DirectoryHandle.walk(bytes(join(directory, 'real', 'below'))).close();
  });
});

describe('system calls', () => {
  const native = nativeCalls();
  if (native === null) {
    it('say why they are not there', () => {
      expect(nativeCallsProblem()).not.toBeNull();
    });
    return;
  }

  it('set times of a link, in nanoseconds, before 1970 and after 2106', () => {
    const link = join(directory, 'link');
    symlinkSync('nowhere', link);
    for (const time of [-1n, -123_456_789_012n, 5_000_000_000_123_456_789n]) {
      native.setTimes(bytes(link), 7n, time);
      expect(lstatSync(link, { bigint: true }).mtimeNs).toBe(time);
    }
  });

  it('set, list, read and remove attributes, and name what fails', () => {
    const file = bytes(join(directory, 'file'));
    writeFileSync(file, '');
    expect(native.listXattrs(file)).toEqual([]);
    native.setXattr(file, bytes('user.a'), Buffer.from([0, 1, 255]));
    expect(native.listXattrs(file)).toEqual([bytes('user.a')]);
    expect(native.getXattr(file, bytes('user.a'))).toEqual(Buffer.from([0, 1, 255]));
    native.removeXattr(file, bytes('user.a'));
    expect(() => native.getXattr(file, bytes('user.a'))).toThrow('ENODATA: lgetxattr');
    expect(() => native.listXattrs(bytes(join(directory, 'none')))).toThrow('ENOENT: llistxattr');
  });

  it('make FIFOs', () => {
    native.makeNode(bytes(join(directory, 'fifo')), 'fifo', 0o600);
    expect(lstatSync(join(directory, 'fifo')).isFIFO()).toBe(true);
    expect(() => {
      native.makeNode(bytes(join(directory, 'fifo')), 'fifo', 0o600);
    }).toThrow(/EEXIST/);
  });

  it('tell whether the user that the process acts as can write in a directory', async () => {
    const [fd, calls] = [openSync(directory, 'r'), nativeCalls()!];
    const asking = (mode: number): Promise<boolean> => {
      chmodSync(directory, mode);
      return withoutPrivileges(directory, () => {
        calls.checkWritable(fd);
        return Promise.resolve(true);
      });
    };
    try {
      await expect(asking(0o500)).rejects.toMatchObject({ code: 'EACCES' });
      await expect(asking(0o700)).resolves.toBe(true);
    } finally {
      closeSync(fd);
    }
  });
});

describe('device numbers', () => {
  it('survive encoding', () => {
    const number = fc.nat({ max: 0xffff_ffff });
    fc.assert(
      fc.property(number, number, (major, minor) => {
        expect(decodeDeviceNumber(encodeDeviceNumber({ major, minor }))).toEqual({ major, minor });
      }),
    );
  });

  it('are those of the system', () => {
    expect(decodeDeviceNumber(lstatSync('/dev/null', { bigint: true }).rdev)).toEqual({ major: 1, minor: 3 });
  });
});
