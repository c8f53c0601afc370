import { decide, type Decision, type DirectoryState, type NowFacts, type OldFacts, wasSubvolume } from './decide';

const FILE: OldFacts = { isDirectory: false, isMount: false };
const MOUNT: OldFacts = { isDirectory: true, isMount: true };
const SEEN: NowFacts = { isAvailable: true, isDirectory: false, isMount: false, isUnchanged: false };
const SAME: NowFacts = { ...SEEN, isUnchanged: true };
const UNAVAILABLE: NowFacts = { ...SEEN, isAvailable: false };
const PLAIN_DIRECTORY: NowFacts = { ...SEEN, isDirectory: true };
const MOUNTED: NowFacts = { ...PLAIN_DIRECTORY, isMount: true };

const save: Decision = { do: 'save' };
const carry: Decision = { do: 'carry' };
const ignore: Decision = { do: 'ignore' };
const deleted: Decision = { do: 'close', reason: 'deleted' };
const deselected: Decision = { do: 'close', reason: 'deselected' };
const keep = (why: 'no-proof' | 'unavailable' | 'lost-mount'): Decision => ({ do: 'keep', why });

describe('what becomes of a path', () => {
  const cases: [string, OldFacts | null, NowFacts | null, DirectoryState | null, boolean, Decision][] = [
    ['new', null, SEEN, 'listed', true, save],
    ['changed', FILE, SEEN, 'listed', true, save],
    ['unchanged', FILE, SAME, 'listed', true, carry],
    ['gone from a directory that was listed', FILE, null, 'listed', true, deleted],
    ['gone with its directory', FILE, null, 'gone', true, deleted],
    ['gone with its directory, which something else took the place of', FILE, null, 'replaced', true, deleted],
    ['excluded now', FILE, null, 'listed', false, deselected],
    ['excluded, in a directory that cannot be listed', FILE, null, 'kept', false, deselected],
    ['in a directory that is deselected', FILE, null, 'deselected', true, deselected],
    ['not seen, in a directory that cannot be listed', FILE, null, 'kept', true, keep('no-proof')],
    ['not looked for, above the roots', FILE, null, 'towards-roots', true, keep('no-proof')],
    ['not seen, its directory unknown', FILE, null, null, true, keep('no-proof')],
    ['there, but lstat refuses', FILE, UNAVAILABLE, 'listed', true, keep('unavailable')],
    ['never saved, and unavailable', null, UNAVAILABLE, 'listed', true, ignore],
    ['a mount point that is mounted', MOUNT, MOUNTED, 'listed', true, save],
    ['a mount point that lost its mount', MOUNT, PLAIN_DIRECTORY, 'listed', true, keep('lost-mount')],
    ['a mount point that went with its mount', MOUNT, null, 'listed', true, keep('lost-mount')],
    ['a mount point that went with the directory that it stood in', MOUNT, null, 'gone', true, keep('lost-mount')],
    ['a mount point in a directory that is a file now', MOUNT, null, 'replaced', true, deleted],
    ['what stands below a lost mount', null, SEEN, 'kept', true, ignore],
    ['what stands below a lost mount under an old name', FILE, SEEN, 'kept', true, keep('no-proof')],
    ['a directory that got a mount', { isDirectory: true, isMount: false }, MOUNTED, 'listed', true, save],
  ];
  it.each(cases)('%s', (_, old, now, parent, isSelected, expected) => {
    expect(decide({ old, now, parent, isSelected })).toEqual(expected);
  });

  it('never closes as deleted what was not proven gone', () => {
    for (const parent of ['kept', 'towards-roots', 'deselected', null] as const) {
      for (const isSelected of [true, false]) {
        for (const now of [null, UNAVAILABLE, SEEN]) {
          expect(decide({ old: FILE, now, parent, isSelected })).not.toEqual(deleted);
        }
      }
    }
  });
});

describe('what an earlier version recorded as a mount', () => {
  const old = { isMount: true, inode: 256n, ctimeNs: 5n };
  const now = { isSubvolume: true, hasContent: true, stat: { ino: 256n, ctimeNs: 9n } };

  it('is the subvolume that stands there', () => {
    expect(wasSubvolume(old, now)).toBe(true);
    expect(wasSubvolume(old, { ...now, hasContent: false, stat: { ino: 256n, ctimeNs: 5n } })).toBe(true);
  });

  it.each<[string, Parameters<typeof wasSubvolume>[0], Parameters<typeof wasSubvolume>[1]]>([
    ['nothing stands there', old, null],
    ['a plain directory stands there, or a mount', old, { ...now, isSubvolume: false }],
    ['it has another inode', old, { ...now, stat: { ino: 2n, ctimeNs: 5n } }],
    ['it is empty now and was changed: it may be the mount point', old, { ...now, hasContent: false }],
    ['it was none', { ...old, isMount: false }, now],
  ])('is a mount, or was none: %s', (_, before, after) => {
    expect(wasSubvolume(before, after)).toBe(false);
  });
});
