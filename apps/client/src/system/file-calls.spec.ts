import {
  type BigIntStats,
  constants,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryHandle } from './directory-handle';
import { type FileCalls } from './file-calls';
import { nativeCalls } from './native-calls';

const found = nativeCalls()?.files ?? null;
const onLinux = found === null ? describe.skip : describe;

onLinux('the calls that read a file', () => {
  const calls = found as FileCalls;
  let folder: string;
  let handle: DirectoryHandle;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-calls-'));
    handle = DirectoryHandle.open(Buffer.from(folder));
    writeFileSync(join(folder, 'file'), 'content');
  });
  afterEach(() => {
    handle.close();
    rmSync(folder, { recursive: true });
  });
  const open = (name: string) => calls.open(handle.fd, Buffer.from(name), constants.O_RDONLY | constants.O_NOFOLLOW);
  const statOf = (name: string) => lstatSync(join(folder, name), { bigint: true });

  it('open a file that no program started meanwhile inherits', () => {
    const fd = open('file');
    expect(readFileSync(fd, 'utf8')).toBe('content');
    const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '';
    calls.close(fd);
    expect(Number.parseInt(flags, 8) & 0o2000000).not.toBe(0);
    expect(() => readFileSync(fd)).toThrow('EBADF');
  });

  it('name what failed', () => {
    symlinkSync('file', join(folder, 'link'));
    expect(() => open('link')).toThrow(expect.objectContaining({ code: 'ELOOP', syscall: 'openat' }) as Error);
    expect(() => open('none')).toThrow(expect.objectContaining({ code: 'ENOENT' }) as Error);
    expect(() => open('file\0none')).toThrow(expect.objectContaining({ code: 'EINVAL' }) as Error);
    expect(() => open('x'.repeat(5_000))).toThrow(expect.objectContaining({ code: 'EINVAL' }) as Error);
    expect(() => calls.isStill(-1, statOf('file'))).toThrow(expect.objectContaining({ code: 'EBADF' }) as Error);
  });

  it.each<[string, (stat: BigIntStats) => Partial<Record<keyof BigIntStats, bigint>>]>([
    ['inode', ({ ino }) => ({ ino: ino + 1n })],
    ['device', ({ dev }) => ({ dev: dev + 1n })],
    ['mode', ({ mode }) => ({ mode: mode ^ 0o100n })],
    ['device number', ({ rdev }) => ({ rdev: rdev + 1n })],
    ['size', ({ size }) => ({ size: size + (1n << 32n) })],
    ['mtime', ({ mtimeNs }) => ({ mtimeNs: mtimeNs + 1n })],
    ['ctime', ({ ctimeNs }) => ({ ctimeNs: ctimeNs - 1_000_000_000n })],
  ])('see that another %s is another file', (_, change) => {
    const fd = open('file');
    const stat = statOf('file');
    expect(calls.isStill(fd, stat)).toBe(true);
    expect(calls.isStill(fd, Object.assign(Object.create(stat) as BigIntStats, change(stat)))).toBe(false);
    expect(calls.isStill(fd, stat)).toBe(true);
    calls.close(fd);
  });

  it('tell times before 1970 and after 2106', () => {
    for (const seconds of [-86_400 * 365, 2 ** 32 + 5]) {
      const ns = BigInt(seconds) * 1_000_000_000n + 123n;
      nativeCalls()?.setTimes(Buffer.from(join(folder, 'file')), 0n, ns);
      const fd = open('file');
      expect(statOf('file').mtimeNs).toBe(ns);
      expect(calls.isStill(fd, statOf('file'))).toBe(true);
      calls.close(fd);
    }
  });

  it('read on from where they are, to the end', () => {
    const fd = open('file');
    const memory = Buffer.alloc(10);
    expect(calls.read(fd, memory, 3)).toBe(3);
    expect(memory.toString('latin1', 0, 4)).toBe('con\0');
    expect(calls.read(fd, memory, 100)).toBe(4);
    expect(memory.toString('latin1', 0, 5)).toBe('tent\0');
    expect(calls.read(fd, memory, 3)).toBe(0);
    calls.close(fd);
    expect(() => calls.read(fd, memory, 3)).toThrow(
      expect.objectContaining({ code: 'EBADF', syscall: 'read' }) as Error,
    );
    // Never beyond the memory, whatever was asked for.
    writeFileSync(join(folder, 'file'), 'x'.repeat(100));
    const again = open('file');
    expect(calls.read(again, memory, 100)).toBe(10);
    calls.close(again);
  });

  it('see devices as what they are', () => {
    const devices = DirectoryHandle.open(Buffer.from('/dev'));
    const fd = calls.open(devices.fd, Buffer.from('null'), constants.O_RDONLY);
    expect(calls.isStill(fd, lstatSync('/dev/null', { bigint: true }))).toBe(true);
    expect(calls.isStill(fd, lstatSync('/dev/zero', { bigint: true }))).toBe(false);
    calls.close(fd);
    devices.close();
  });
});
