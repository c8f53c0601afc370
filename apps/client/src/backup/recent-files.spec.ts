import { lstatSync } from 'node:fs';
import { DirectoryHandle } from '../system/directory-handle';
import { nativeCalls } from '../system/native-calls';
import { RecentFiles } from './recent-files';
import { Workspace } from './workspace.testing';

let work: Workspace;
let parent: DirectoryHandle;
let device: bigint;
let nowMs: number;
let syncs: { end: () => void; fail: () => void }[];
let recent: RecentFiles;
beforeEach(() => {
  work = new Workspace();
  parent = DirectoryHandle.open(Buffer.from(work.source));
  device = parent.stat().dev;
  nowMs = 1_000_000_000;
  syncs = [];
  const writeBack = () =>
    new Promise<void>((resolve, reject) => {
      syncs.push({
        end: resolve,
        fail: () => {
          reject(new Error('no'));
        },
      });
    });
  recent = new RecentFiles({ writeBack, now: () => nowMs });
});
afterEach(() => {
  parent.close();
  work.remove();
});

/** Is a file that changed at `changedMs` and is read now in doubt? */
function isDoubtful(changedMs: number, size = 1n, dev = device): boolean {
  const stat = { ...lstatSync(work.source, { bigint: true }), dev, size, ctimeNs: BigInt(changedMs) * 1_000_000n };
  return recent.mayChangeUnseen(stat, nowMs, parent);
}

/** So many that writing them back is worth it. */
function doubtMany(changedMs: number): void {
  for (let file = 0; file < 1_000; file++) isDoubtful(changedMs);
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a file that changed shortly before it was read', () => {
  it('is in doubt for 60 s, whatever is written back for the first two', async () => {
    expect([0, 1_999, 2_000, 59_999, 60_000].map((ageMs) => isDoubtful(nowMs - ageMs))).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
    expect(syncs).toHaveLength(0);
  });

  it('is in no doubt when its file system was written back between', async () => {
    const unpackedMs = nowMs - 10_000;
    doubtMany(unpackedMs);
    expect(syncs).toHaveLength(1);
    const beganMs = nowMs;
    nowMs += 1_000;
    // While it is being written back, its own page may not have been reached.
    expect(isDoubtful(unpackedMs)).toBe(true);
    syncs[0]?.end();
    await settled();
    nowMs += 1;
    expect(isDoubtful(unpackedMs)).toBe(false);
    expect(isDoubtful(beganMs - 2_001)).toBe(false);
    expect(isDoubtful(beganMs - 2_000)).toBe(true);
    nowMs += 5_000;
    expect(isDoubtful(beganMs + 1)).toBe(true);
    expect(isDoubtful(unpackedMs, 1n, device + 1n)).toBe(true);
  });

  it('is in doubt when it was read before that was over', async () => {
    doubtMany(nowMs - 10_000);
    syncs[0]?.end();
    await settled();
    expect(isDoubtful(nowMs - 10_000)).toBe(true);
  });

  it('is in doubt when nothing could be written back', async () => {
    doubtMany(nowMs - 10_000);
    syncs[0]?.fail();
    await settled();
    nowMs += 1;
    expect(isDoubtful(nowMs - 10_000)).toBe(true);
  });
});

describe('writing back', () => {
  it('begins for many files, or for large ones', () => {
    for (let file = 0; file < 999; file++) isDoubtful(nowMs - 10_000);
    expect(syncs).toHaveLength(0);
    isDoubtful(nowMs - 10_000, 256n * 1024n * 1024n);
    expect(syncs).toHaveLength(1);
  });

  it('is done once a minute at most', async () => {
    doubtMany(nowMs - 10_000);
    doubtMany(nowMs - 10_000);
    expect(syncs).toHaveLength(1);
    syncs[0]?.end();
    await settled();
    doubtMany(nowMs - 1_999);
    doubtMany(nowMs - 2_000);
    expect(syncs).toHaveLength(1);
    nowMs += 60_000;
    doubtMany(nowMs - 10_000);
    expect(syncs).toHaveLength(2);
  });

  it('is not asked of another file system than that of the files', () => {
    for (let file = 0; file < 1_000; file++) isDoubtful(nowMs - 10_000, 1n, device + 1n);
    expect(syncs).toHaveLength(0);
  });

  it('is what the system does', async () => {
    await expect(nativeCalls()?.writeBack?.(parent.fd)).resolves.toBeUndefined();
    await expect(nativeCalls()?.writeBack?.(1_000_000)).rejects.toThrow('could not be written back');
  });
});
