import { HardLinks } from './hard-links';
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { comparePaths } from '#engine';
import { nativeCalls } from '../system/native-calls';
import { normaliseRoots } from './roots';
import { type Sighting, Walk } from './scanner';
import { Selection } from './selection';
import { Workspace } from './workspace.testing';

let work: Workspace;
beforeEach(() => {
  work = new Workspace();
});
afterEach(() => {
  work.remove();
});

function walk(
  roots: readonly string[],
  excludes: readonly string[] = [],
  onSighting: (sighting: Sighting) => void = () => undefined,
): { paths: Buffer[]; notes: string[]; sightings: Sighting[] } {
  const normal = normaliseRoots(
    roots.map((root) => Buffer.from(root)),
    Buffer.from(work.source),
  );
  const selection = new Selection(normal, excludes, Buffer.from('/nowhere/state'));
  const sightings: Sighting[] = [];
  const notes: string[] = [];
  const scanned = new Walk(selection, { onNote: (path) => notes.push(path.toString()) }, null, new HardLinks());
  try {
    while (scanned.next()) {
      const sighting = scanned.look();
      if (sighting === null) continue;
      sightings.push(sighting);
      onSighting(sighting);
    }
  } finally {
    scanned.close();
  }
  return { paths: sightings.map(({ path }) => path), notes, sightings };
}

function relative(paths: readonly Buffer[]): string[] {
  const prefix = `${work.source}/`;
  return paths
    .map((path) => path.toString())
    .flatMap((path) => (path.startsWith(prefix) ? [path.slice(prefix.length)] : []));
}

const openFiles = () => readdirSync('/proc/self/fd').length;

describe('a scan', () => {
  it("yields walk order: a directory's content right after it, names by bytes", async () => {
    for (const name of ['b', 'a', 'a-b', 'a b']) mkdirSync(work.path(name));
    for (const name of ['a/z', 'a-b/1', 'b/é', 'b/Z', 'b/z']) writeFileSync(work.path(name), '');
    writeFileSync(Buffer.concat([Buffer.from(`${work.source}/b/`), Buffer.from([0xff])]), '');
    const { paths } = walk([work.source]);
    expect([...paths].sort(comparePaths)).toEqual(paths);
    expect(relative(paths).slice(0, 3)).toEqual(['a', 'a/z', 'a b']);
    expect(paths[0]?.toString()).toBe('/');
  });

  it('goes through the directories above the roots without looking around', async () => {
    mkdirSync(work.path('x/y'), { recursive: true });
    mkdirSync(work.path('beside'));
    writeFileSync(work.path('x/y/file'), '');
    writeFileSync(work.path('x/other'), '');
    const { paths, sightings } = walk([work.path('x/y'), work.path('x/y/file')]);
    expect(relative(paths)).toEqual(['x', 'x/y', 'x/y/file']);
    const listings = sightings.map((sighting) => (sighting.type === 'seen' ? sighting.listing : null));
    expect(listings.slice(-3)).toEqual(['towards-roots', 'whole', null]);
  });

  it('does not follow a root that is a symlink, nor links inside', async () => {
    mkdirSync(work.path('real'));
    writeFileSync(work.path('real/file'), '');
    symlinkSync('real', work.path('link'));
    expect(relative(walk([work.path('link')]).paths)).toEqual(['link']);
    expect(relative(walk([`${work.path('link')}/.`]).paths)).toEqual(['real', 'real/file']);
    expect(relative(walk([work.path('link/file')]).paths)).toEqual(['real', 'real/file']);
  });

  it('says that a missing root is unavailable', async () => {
    const { sightings } = walk([work.path('not/there'), work.path('either')]);
    const missing = sightings.filter((sighting) => sighting.type === 'unavailable');
    expect(relative(missing.map(({ path }) => path))).toEqual(['either', 'not']);
  });

  it('leaves out the content of a directory when told so', async () => {
    mkdirSync(work.path('a/b'), { recursive: true });
    writeFileSync(work.path('c'), '');
    const { paths } = walk([work.source], [], (sighting) => {
      if (sighting.type === 'seen' && sighting.path.toString() === work.path('a')) sighting.skipContent();
    });
    expect(relative(paths)).toEqual(['a', 'c']);
  });

  it('does not yield what is excluded', async () => {
    mkdirSync(work.path('node_modules/x'), { recursive: true });
    writeFileSync(work.path('keep.log'), '');
    writeFileSync(work.path('drop.log'), '');
    const { paths } = walk([work.source], ['node_modules/', '*.log', '!keep.log']);
    expect(relative(paths)).toEqual(['keep.log']);
  });

  it('stays in the directory that it opened when it is moved away meanwhile', async () => {
    mkdirSync(work.path('a'));
    writeFileSync(work.path('a/1'), '');
    writeFileSync(work.path('a/2'), '');
    mkdirSync(work.path('elsewhere'));
    writeFileSync(work.path('elsewhere/2'), 'not this one');
    const { sightings } = walk([work.path('a')], [], (sighting) => {
      if (sighting.path.toString() !== work.path('a/1')) return;
      renameSync(work.path('a'), work.path('moved'));
      symlinkSync('elsewhere', work.path('a'));
    });
    const last = sightings.at(-1);
    expect(last?.type === 'seen' && last.stat.size).toBe(0n);
  });

  it('tells of a directory that vanished after it was listed, and goes on', async () => {
    mkdirSync(work.path('a'));
    mkdirSync(work.path('b'));
    mkdirSync(work.path('c'));
    const { sightings } = walk([work.source], [], (sighting) => {
      if (sighting.path.toString() === work.path('a')) rmSync(work.path('b'), { recursive: true });
    });
    expect(sightings.slice(-2)).toMatchObject([
      { type: 'unavailable', reason: 'it vanished while the backup ran (ENOENT)' },
      { type: 'seen' },
    ]);
  });

  it('enters a directory by native calls only if it is the one that was looked at', () => {
    for (const name of ['a', 'b', 'c']) mkdirSync(work.path(name));
    for (const name of ['a/2', 'a/1', 'b/x', 'c/x']) writeFileSync(work.path(name), '');
    const selection = new Selection([Buffer.from(work.source)], [], Buffer.from('/nowhere/state'));
    const scanned = new Walk(selection, { onNote: () => undefined }, nativeCalls()?.look ?? null, new HardLinks());
    const entered: (string | null)[] = [];
    const seen: string[] = [];
    try {
      while (scanned.next()) {
        seen.push(scanned.path.toString());
        const now = scanned.quick();
        if (now?.kind !== 2) {
          if (now === null) scanned.look();
          continue;
        }
        if (scanned.path.equals(Buffer.from(work.path('b')))) {
          renameSync(work.path('b'), work.path('moved'));
          mkdirSync(work.path('b'));
        }
        if (scanned.path.equals(Buffer.from(work.path('c')))) {
          rmSync(work.path('c'), { recursive: true });
          symlinkSync('a', work.path('c'));
        }
        entered.push(scanned.enterQuietly()?.toString() ?? null);
      }
    } finally {
      scanned.close();
    }
    expect(entered).toEqual([work.path('a'), null, null]);
    expect(relative(seen.map((path) => Buffer.from(path)))).toEqual(['a', 'a/1', 'a/2', 'b', 'c']);
  });

  it('tells of a directory that cannot be listed', async () => {
    mkdirSync(work.path('a'));
    chmodSync(work.path('a'), 0);
    const { sightings } = await work.withoutPrivileges(() => Promise.resolve(walk([work.source])));
    const last = sightings.at(-1);
    expect(last?.type === 'seen' ? last.listing : null).toEqual({
      failed: 'the directory cannot be listed: permission denied (EACCES)',
    });
  });

  it('walks a tree deeper than any path can name, and closes what it opened', async () => {
    const before = openFiles();
    const deep = `${work.source}/deep`;
    mkdirSync(deep);
    const { execFileSync } = await import('node:child_process');
    execFileSync('python3', [
      '-c',
      'import os,sys\nos.chdir(sys.argv[1])\nfor i in range(300):\n os.mkdir("d"*50); os.chdir("d"*50)',
      deep,
    ]);
    const { paths } = walk([deep]);
    expect(paths.at(-1)?.length).toBeGreaterThan(300 * 50);
    expect(openFiles()).toBe(before);
  });
});
