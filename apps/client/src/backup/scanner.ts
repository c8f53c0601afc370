import type { BigIntStats } from 'node:fs';
import { type EntryKind, joinPath, MAX_NAME_BYTES, MAX_PATH_BYTES } from '#engine';
import { DirectoryHandle } from '../system/directory-handle';
import { describeError, errorCode } from '../system/error-code';
import { kindOf } from '../system/kind-of';
import { readMountPoints } from '../system/mount-points';
import type { Selection } from './selection';

/** Where a path can be reached without resolving anything: good until the next sighting is asked for. */
export interface Standing {
  readonly parent: DirectoryHandle;
  readonly name: Buffer;
}

/** `whole`: every name in it was read. `towards-roots`: above the roots, only names that lead to one are looked at. */
type Listing = 'whole' | 'towards-roots' | { readonly failed: string };

/** A path that is there. */
export interface Seen {
  readonly type: 'seen';
  readonly path: Buffer;
  readonly at: Standing;
  readonly kind: EntryKind;
  readonly stat: BigIntStats;
  /** A directory on another device than its parent, or bound there from elsewhere on the same. */
  readonly isMount: boolean;
  /** Of directories only. */
  readonly listing: Listing | null;
  /** Leaves out what is in this directory. To be called before the next sighting is asked for. */
  skipContent(): void;
}

/** A path of which nothing can be said: a root that is missing, a name that lstat refuses. Not the same as gone. */
interface Unavailable {
  readonly type: 'unavailable';
  readonly path: Buffer;
  readonly reason: string;
}

export type Sighting = Seen | Unavailable;

export interface ScanEvents {
  /** Something that is left out although it is selected, without harm (a socket). */
  onNote(path: Buffer, reason: string): void;
}

const DOT = Buffer.from('.');

interface Frame {
  readonly path: Buffer;
  readonly handle: DirectoryHandle;
  readonly names: readonly Buffer[];
  readonly device: bigint;
  readonly isAbove: boolean;
  next: number;
}

/**
 * Walks from '/' through the directories above the roots into the roots, in walk order. Directories are opened by
 * handle, one open handle and one list of names per level; no symlink is followed. A directory is opened and listed
 * before it is yielded, so that whoever gets it knows whether the absence of a name in it proves anything.
 * Excluded paths are not yielded; sockets are noted and not yielded.
 */
// eslint-disable-next-line @typescript-eslint/require-await -- the calls are synchronous (faster by far); the merge wants an async iterable
export async function* scan(selection: Selection, events: ScanEvents): AsyncGenerator<Sighting, void, undefined> {
  const frames: Frame[] = [];
  const mounts = readMountPoints();
  let top: DirectoryHandle | null = null;
  try {
    top = DirectoryHandle.open(Buffer.from('/'));
    const where = { path: Buffer.from('/'), parentDevice: null, mounts };
    const root = look(selection, events, { parent: top, name: DOT }, where);
    if (root !== null) yield* enter(root, frames);
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const name = frame.names[frame.next];
      frame.next += 1;
      if (name === undefined) {
        frames.pop();
        frame.handle.close();
        continue;
      }
      const path = joinPath(frame.path, name);
      const where = { path, parentDevice: frame.device, mounts };
      const found = look(selection, events, { parent: frame.handle, name }, where);
      if (found !== null) yield* enter(found, frames);
    }
  } finally {
    for (const frame of frames) frame.handle.close();
    top?.close();
  }
}

interface Found {
  readonly sighting: Sighting;
  /** What is in it, when it can be walked. */
  readonly frame: Frame | null;
  isSkipped: boolean;
}

function* enter(found: Found, frames: Frame[]): Generator<Sighting, void, undefined> {
  let isPushed = false;
  try {
    yield found.sighting;
    if (found.frame !== null && !found.isSkipped) {
      frames.push(found.frame);
      isPushed = true;
    }
  } finally {
    if (!isPushed) found.frame?.handle.close();
  }
}

interface Where {
  readonly path: Buffer;
  /** Null for the root, which is no mount point in any directory. */
  readonly parentDevice: bigint | null;
  readonly mounts: ReadonlySet<string>;
}

function look(selection: Selection, events: ScanEvents, at: Standing, where: Where): Found | null {
  const { path } = where;
  const isAbove = selection.placeOf(path) === 'above';
  if (path.length > MAX_PATH_BYTES || at.name.length > MAX_NAME_BYTES) return unavailable(path, 'its path is too long');
  let stat: BigIntStats;
  try {
    stat = at.parent.lstat(at.name);
  } catch (error) {
    const isMissing = isAbove || selection.roots.some((root) => root.equals(path));
    return unavailable(path, isMissing ? missingRoot(error) : describeError(error));
  }
  const kind = kindOf(stat);
  if (!selection.isSelected(path, kind === 'directory')) return null;
  if (kind === 'socket') {
    events.onNote(path, 'a socket: not saved, the program that listens on it makes it');
    return null;
  }
  if (isAbove && kind !== 'directory') return unavailable(path, 'it is no directory any more: what was below is kept');
  const opened = kind === 'directory' ? openDirectory(selection, at, { path, stat, isAbove }) : null;
  const isMount = opened !== null && isMountPoint(where, stat, at.parent, opened.frame?.handle ?? null);
  const found: Found = {
    sighting: {
      type: 'seen',
      path,
      at,
      kind,
      stat,
      isMount,
      listing: opened?.listing ?? null,
      skipContent: () => {
        found.isSkipped = true;
      },
    },
    frame: opened?.frame ?? null,
    isSkipped: false,
  };
  return found;
}

/** The table of mounts is as old as the run: what it says is asked of the directory itself where that was opened. */
function isMountPoint(
  { path, parentDevice, mounts }: Where,
  stat: BigIntStats,
  parent: DirectoryHandle,
  handle: DirectoryHandle | null,
): boolean {
  if (parentDevice === null) return false;
  if (stat.dev !== parentDevice) return true;
  return mounts.has(path.toString('latin1')) && (handle === null || handle.mountId() !== parent.mountId());
}

function openDirectory(
  selection: Selection,
  at: Standing,
  directory: { path: Buffer; stat: BigIntStats; isAbove: boolean },
): { listing: Listing; frame: Frame | null } {
  const { path, stat, isAbove } = directory;
  let handle: DirectoryHandle | null = null;
  try {
    handle = at.parent.openChild(at.name);
    const opened = handle.stat();
    if (opened.ino !== stat.ino || opened.dev !== stat.dev) throw new Error('it was replaced while the backup ran');
    const names = isAbove ? selection.namesTowardsRoots(path) : handle.names();
    const frame: Frame = { path, handle, names, device: opened.dev, isAbove, next: 0 };
    return { listing: isAbove ? 'towards-roots' : 'whole', frame };
  } catch (error) {
    handle?.close();
    return { listing: { failed: `the directory cannot be listed: ${describeError(error)}` }, frame: null };
  }
}

function unavailable(path: Buffer, reason: string): Found {
  return { sighting: { type: 'unavailable', path, reason }, frame: null, isSkipped: false };
}

function missingRoot(error: unknown): string {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR'
    ? `it is not there (${code}): what was saved of it is kept`
    : describeError(error);
}
