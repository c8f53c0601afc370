import { type EntryKind, joinPath, MAX_NAME_BYTES, MAX_PATH_BYTES, type QuickSighting, ROOT_PATH } from '#engine';
import { DirectoryHandle } from '../system/directory-handle';
import { describeError, errorCode } from '../system/error-code';
import { kindOf } from '../system/kind-of';
import type { FileStat } from '../system/file-stat';
import type { LookCalls } from '../system/look-calls';
import { isMountPoint, type MountPoints, readMountPoints } from '../system/mount-points';
import type { HardLinks } from './hard-links';
import { QuickLook } from './quick-look';
import type { Selection } from './selection';

/** Where a path can be reached without resolving anything: good until the next sighting is asked for. */
export interface Standing {
  readonly parent: DirectoryHandle;
  readonly name: Buffer;
}

/** `whole`: every name in it was read. `towards-roots`: above the roots, only names that lead to one are looked at. `left-out`: a rule leaves out all that is in it. */
type Listing = 'whole' | 'towards-roots' | 'left-out' | { readonly failed: string };

/** A path that is there. */
export interface Seen {
  readonly type: 'seen';
  readonly path: Buffer;
  readonly at: Standing;
  readonly kind: EntryKind;
  readonly stat: FileStat;
  /** A directory on which a file system is mounted, or one bound there from elsewhere on the same. */
  readonly isMount: boolean;
  /** A directory that was listed, on another device than its parent's, without a mount: a subvolume of a btrfs. */
  readonly isSubvolume: boolean;
  /** A directory that was listed and is not empty. */
  readonly hasContent: boolean;
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
const NO_BYTES = Buffer.alloc(0);

interface Frame {
  readonly path: Buffer;
  readonly handle: DirectoryHandle;
  /** latin1: a character is a byte. Half the time and memory of buffers, and sorted by bytes ten times as fast. */
  readonly names: readonly string[];
  readonly device: bigint;
  readonly isAbove: boolean;
  next: number;
  /** Whoever stands in it is selected whatever it is called, and is no mount point unless its device differs: a quick look will do. */
  readonly isPlain: boolean;
}

/**
 * Walks from '/' (the selection's host root) through the directories above the roots into the roots, in walk order. Directories are opened by
 * handle, one open handle and one list of names per level; no symlink is followed. next() moves to a name without looking
 * at what it is; look() does. A directory is opened and listed when it is looked at, so that whoever gets it knows whether
 * the absence of a name in it proves anything; its content comes next if it was looked at. Calls are synchronous (faster by far).
 */
export class Walk {
  private readonly frames: Frame[] = [];
  private readonly mounts: MountPoints;
  private readonly quickLook: QuickLook | null;
  private top: DirectoryHandle | null = null;
  private frame: Frame | null = null;
  private text = '';
  private bytes = Buffer.alloc(256);
  private found: Found | null = null;
  private entered: Frame | null = null;

  constructor(
    private readonly selection: Selection,
    private readonly events: ScanEvents,
    private readonly native: LookCalls | null,
    /** Told of directories by whoever looks at what is found. */
    hardLinks: HardLinks,
  ) {
    this.mounts = readMountPoints(selection.hostRoot);
    this.quickLook = native === null ? null : new QuickLook(native, hardLinks);
  }

  /** Moves to the next name; false: that was all. */
  next(): boolean {
    if (this.top === null) {
      this.top = DirectoryHandle.open(this.selection.hostRoot);
      return true;
    }
    this.enterOrShut();
    for (let frame = this.frames.at(-1); frame !== undefined; frame = this.frames.at(-1)) {
      const name = frame.names[frame.next];
      if (name !== undefined) {
        frame.next += 1;
        this.moveTo(frame, name);
        return true;
      }
      this.frames.pop();
      frame.handle.close();
    }
    this.frame = null;
    return false;
  }

  /** The directory that the name stands in, told apart from any other that was walked; null: the name is '/' itself. */
  get directory(): object | null {
    return this.frame;
  }

  /** Path of that directory; '' for '/' itself, as in records. */
  get parent(): Buffer {
    return this.frame?.path ?? NO_BYTES;
  }

  /** The name is the first `nameLength` bytes of it; NUL follows. Good until next(). */
  get name(): Buffer {
    return this.bytes;
  }

  get nameLength(): number {
    return this.text.length;
  }

  get path(): Buffer {
    return this.frame === null ? ROOT_PATH : joinPath(this.frame.path, Buffer.from(this.text, 'latin1'));
  }

  /**
   * What a single call says of a selected path that is no mount point; null: look(). Good until the
   * next. A directory is to be entered besides.
   */
  quick(): QuickSighting | null {
    const { frame, quickLook } = this;
    if (frame === null || quickLook === null || !frame.isPlain) return null;
    return quickLook.at(frame.handle.fd, this.bytes, frame.device);
  }

  /** Opens and lists the directory that quick() told of: its path, and its content comes next. Null: look() says why it cannot be. */
  enterQuietly(): Buffer | null {
    const { frame, quickLook, native } = this;
    if (frame === null || quickLook === null || native === null) return null;
    const handle = frame.handle.openQuietly(this.bytes, native);
    if (handle === null) return null;
    const names = quickLook.isSame(handle.fd, frame.device) ? handle.namesQuietly(native) : null;
    const { path } = this;
    if (names === null || path.length > MAX_PATH_BYTES) {
      handle.close();
      return null;
    }
    const isPlain = this.selection.takesAllIn(path) && !this.mounts.parents.has(path.toString('latin1'));
    this.entered = { path, handle, names, device: frame.device, isAbove: false, next: 0, isPlain };
    return path;
  }

  /** What is there; null: nothing that is to be saved (it is excluded, or a socket, which is noted). */
  look(): Sighting | null {
    const { frame, top } = this;
    if (top === null) return null;
    const at =
      frame === null ? { parent: top, name: DOT } : { parent: frame.handle, name: Buffer.from(this.text, 'latin1') };
    const { native, mounts } = this;
    const statQuietly = () =>
      frame === null || native === null ? null : frame.handle.lstatQuietly(this.bytes, native);
    const where = { path: this.path, parentDevice: frame?.device ?? null, mounts, statQuietly };
    this.found = look(this.selection, this.events, at, where);
    return this.found?.sighting ?? null;
  }

  /** Did the last look() find something that a rule leaves out? */
  get isLeftOut(): boolean {
    return this.found !== null && this.found.sighting === null;
  }

  /** May be called twice. */
  close(): void {
    this.found?.frame?.handle.close();
    this.entered?.handle.close();
    this.found = this.entered = null;
    for (const frame of this.frames) frame.handle.close();
    this.frames.length = 0;
    this.top?.close();
  }

  private enterOrShut(): void {
    const { found, entered } = this;
    this.found = null;
    this.entered = null;
    if (entered !== null) this.frames.push(entered);
    if (found?.frame == null) return;
    if (found.isSkipped) found.frame.handle.close();
    else this.frames.push(found.frame);
  }

  private moveTo(frame: Frame, name: string): void {
    if (name.length >= this.bytes.length) this.bytes = Buffer.alloc(2 * name.length);
    this.bytes.write(name, 'latin1');
    this.bytes[name.length] = 0;
    this.frame = frame;
    this.text = name;
  }
}

interface Found {
  /** Null: it is there, and a rule leaves it out. */
  readonly sighting: Sighting | null;
  /** What is in it, when it can be walked. */
  readonly frame: Frame | null;
  isSkipped: boolean;
}

const LEFT_OUT: Found = { sighting: null, frame: null, isSkipped: false };

interface Where {
  readonly path: Buffer;
  /** Null for the root, which is no mount point in any directory. */
  readonly parentDevice: bigint | null;
  readonly mounts: MountPoints;
  /** Null: look in the other way, which says why it cannot be told. */
  readonly statQuietly: () => FileStat | null;
}

function look(selection: Selection, events: ScanEvents, at: Standing, where: Where): Found | null {
  const { path } = where;
  const isAbove = selection.placeOf(path) === 'above';
  if (path.length > MAX_PATH_BYTES || at.name.length > MAX_NAME_BYTES) return unavailable(path, 'its path is too long');
  let stat: FileStat;
  try {
    stat = where.statQuietly() ?? at.parent.lstat(at.name);
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
  if (kind === 'file' && selection.isTooLarge(path, stat.size)) return LEFT_OUT;
  const opened = kind === 'directory' ? openDirectory(selection, at, { ...where, stat, isAbove }) : null;
  const isOtherDevice = where.parentDevice !== null && stat.dev !== where.parentDevice;
  // Where the run does not go in, it makes no difference later whether something is mounted.
  const isMount =
    opened !== null &&
    opened.listing !== 'left-out' &&
    where.parentDevice !== null &&
    isMountPoint(
      {
        path,
        isOtherDevice,
        mountId: () => opened.frame?.handle.mountId() ?? null,
        parentMountId: () => at.parent.mountId(),
      },
      where.mounts,
    );
  const found: Found = {
    sighting: {
      type: 'seen',
      path,
      at,
      kind,
      stat,
      isMount,
      isSubvolume: opened?.listing === 'whole' && isOtherDevice && !isMount,
      hasContent: opened?.listing === 'whole' && (opened.frame?.names.length ?? 0) > 0,
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

function openDirectory(
  selection: Selection,
  at: Standing,
  directory: Where & { stat: FileStat; isAbove: boolean },
): { listing: Listing; frame: Frame | null } {
  const { path, mounts, stat, isAbove, parentDevice } = directory;
  let handle: DirectoryHandle | null = null;
  try {
    handle = at.parent.openChild(at.name);
    const opened = handle.stat();
    if (opened.ino !== stat.ino || opened.dev !== stat.dev) throw new Error('it was replaced while the backup ran');
    const names = isAbove ? selection.namesTowardsRoots(path) : handle.names();
    if (!isAbove && selection.leavesOutContent(path, { names, handle, isOtherDevice: stat.dev !== parentDevice })) {
      handle.close();
      return { listing: 'left-out', frame: null };
    }
    const isPlain = !isAbove && selection.takesAllIn(path) && !mounts.parents.has(path.toString('latin1'));
    const frame: Frame = { path, handle, names, device: opened.dev, isAbove, next: 0, isPlain };
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
