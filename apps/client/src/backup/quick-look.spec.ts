import { linkSync, lstatSync, mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { DirectoryHandle } from '../system/directory-handle';
import { nativeCalls } from '../system/native-calls';
import { HardLinks } from './hard-links';
import { QuickLook } from './quick-look';
import { Workspace } from './workspace.testing';

let work: Workspace;
let handle: DirectoryHandle;
let hardLinks: HardLinks;
beforeEach(() => {
  hardLinks = new HardLinks();
  work = new Workspace();
  handle = DirectoryHandle.open(Buffer.from(work.source));
});
afterEach(() => {
  handle.close();
  work.remove();
});

function quick(name: string, device = handle.stat().dev): QuickLook | null {
  const calls = nativeCalls()?.look;
  if (calls == null) throw new Error('this system lacks statx');
  return new QuickLook(calls, hardLinks).at(handle.fd, Buffer.from(`${name}\0`), device) as QuickLook | null;
}

const whole = (high: number, low: number) => (BigInt(high) << 32n) | BigInt(low);

describe('a quick look', () => {
  it.each([0, 1.5, 1_764_000_000.123456, 4_294_967_295.999])('says what lstat says (modified at %d s)', (seconds) => {
    writeFileSync(work.path('file'), '');
    truncateSync(work.path('file'), 5_000_000_000);
    utimesSync(work.path('file'), seconds, seconds);
    symlinkSync('file', work.path('link'));
    const kinds = { file: 1, link: 3 };
    for (const [name, kind] of Object.entries(kinds)) {
      const stat = lstatSync(work.path(name), { bigint: true });
      const seen = quick(name);
      expect(seen?.kind).toBe(kind);
      expect(BigInt(seen!.size)).toBe(stat.size);
      expect(whole(seen!.mtimeHigh, seen!.mtimeLow)).toBe(stat.mtimeNs);
      expect(whole(seen!.ctimeHigh, seen!.ctimeLow)).toBe(stat.ctimeNs);
      expect(whole(seen!.inodeHigh, seen!.inodeLow)).toBe(stat.ino);
    }
  });

  it('names the hard-link group as a longer one does', () => {
    writeFileSync(work.path('one'), '');
    linkSync(work.path('one'), work.path('other'));
    writeFileSync(work.path('alone'), '');
    hardLinks.seeDirectory(handle.stat().dev, Buffer.from(work.source));
    // Of its device no directory was seen, so its group has no number yet.
    for (const name of ['one', 'other']) {
      const seen = quick(name);
      const group = hardLinks.groupOf(lstatSync(work.path(name), { bigint: true }), Buffer.from(work.path(name)));
      expect(seen?.isLinked).toBe(true);
      expect(whole(seen!.groupHigh, seen!.groupLow)).toBe(group);
    }
    expect(quick('alone')?.isLinked).toBe(false);
    mkdirSync(work.path('folder/below'), { recursive: true });
    expect(quick('folder')?.isLinked).toBe(false);
  });

  it('leaves to a longer one what takes it', async () => {
    mkdirSync(work.path('folder'));
    writeFileSync(work.path('one'), '');
    linkSync(work.path('one'), work.path('other'));
    writeFileSync(work.path('old'), '');
    nativeCalls()?.setTimes(Buffer.from(work.path('old')), 0n, -1n);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(work.path('socket'), resolve));
    // Of its device no directory was seen, so its group has no number yet.
    for (const name of ['one', 'old', 'socket', 'missing']) expect(quick(name)).toBeNull();
    await new Promise((resolve) => server.close(resolve));
    writeFileSync(work.path('plain'), '');
    expect(quick('plain')).not.toBeNull();
    expect(quick('folder')?.kind).toBe(2);
    expect(quick('plain', handle.stat().dev + 1n)).toBeNull();
  });
});
