import { randomBytes } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  linkSync,
  openSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import { type Entry, splitPath } from '#engine';
import { type PlannedEntry } from './entry-spool';
import { type DirectoryTree } from './directory-tree';
import { type Node } from './node-table';
import { type ConflictPolicy, type SystemCalls } from './ports';
import { findAt } from './restore-context';
import { isToReplace, isUnfinished } from './unfinished';
import { errorCode } from '../system/error-code';

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Nobody can guess it, so that nothing stands in the way. */
export function temporaryPrefix(): string {
  return `.holdfast-${randomBytes(9).toString('hex')}-`;
}

/**
 * Everything but directories and most small files (see WholeFiles) is made under a temporary name beside its place and put there
 * when it is whole and has its metadata. A restore that is killed leaves nothing that looks like a restored file, one that runs
 * again with --skip-existing keeps no half file, and --overwrite keeps the old file until the new one is whole.
 */
export class TemporaryFiles {
  private canRenameNew = true;
  /** What was asked for last: a file's name is needed for several calls. */
  private last: { readonly number: number; readonly name: Buffer } = { number: -1, name: Buffer.alloc(0) };

  constructor(
    private readonly tree: DirectoryTree,
    readonly policy: ConflictPolicy,
    private readonly system: Pick<SystemCalls, 'renameNew'> | null,
    readonly prefix: string,
    /** See {@link isToReplace}. */
    private readonly redoes = false,
  ) {}

  /** Path (by handle) of entry `number`'s temporary name; holds as long as the tree's handle does. */
  locate(path: Buffer, number: number): Buffer {
    return this.tree.locate(splitPath(path).parent, this.name(number));
  }

  /** Creates the file, 0600, of its full size when it is to have holes, and tells which file it is. */
  create({ path, number, entry }: PlannedEntry): Pick<Node, 'device' | 'inode'> {
    const fd = openSync(this.locate(path, number), CREATE_FLAGS, 0o600);
    try {
      const { dev, ino } = fstatSync(fd, { bigint: true });
      if (entry.isSparse === true) ftruncateSync(fd, entry.size);
      return { device: dev, inode: ino };
    } catch (error) {
      this.discard(path, number);
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Name of entry `number` until it is put in its place. */
  name(number: number): Buffer {
    if (this.last.number !== number) {
      this.last = { number, name: Buffer.from(`${this.prefix}${number.toString(36)}`, 'latin1') };
    }
    return this.last.name;
  }

  /** Opens what was created, and nothing that took its name since. The caller closes the handle. */
  open(path: Buffer, number: number, node: Pick<Node, 'device' | 'inode'>, flags: number): number {
    const fd = openSync(this.locate(path, number), flags | constants.O_NOFOLLOW);
    const { dev, ino } = fstatSync(fd, { bigint: true });
    if (dev === node.device && ino === node.inode) return fd;
    closeSync(fd);
    throw new Error('another file took its place while the restore ran');
  }

  /** Removes what is not whole; silent when it is gone. */
  discard(path: Buffer, number: number): void {
    removeQuietly(() => this.locate(path, number));
  }

  /** Removes the file that was made under its own name and failed: by its mode, or by its time when it had its mode already. */
  discardInPlace(path: Buffer, entry: Entry): void {
    this.discardFinal(path, (stats) => isUnfinished(stats, entry) || stats.mtimeNs === entry.mtimeNs);
  }

  /** Removes what a thread that died left of a file, under whichever name it made it. */
  discardBegun(path: Buffer, number: number, entry: Entry): void {
    this.discard(path, number);
    if (this.policy !== 'overwrite') this.discardFinal(path, (stats) => isUnfinished(stats, entry));
  }

  /** With --skip-existing: what stands in the entry's place is an earlier restore's, and gives way. */
  givesWay(path: Buffer, entry: Entry): boolean {
    if (this.policy !== 'skip') return false;
    const stats = findAt(this.finalPlace(path));
    return stats !== null && isToReplace(stats, entry, this.redoes);
  }

  /** Puts it in its place. Without --overwrite nothing is replaced (but what `givesWay`), also when it appeared a moment ago. */
  place(path: Buffer, number: number, entry: Entry): void {
    const { parent, name } = splitPath(path);
    const replaces = this.policy === 'overwrite' || this.givesWay(path, entry);
    if (!replaces && this.renameNew(parent, this.name(number), name)) return;
    const temporary = this.locate(path, number);
    const final = this.finalPlace(path);
    if (replaces) {
      renameSync(temporary, final);
      return;
    }
    try {
      linkSync(temporary, final);
    } catch (error) {
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errorCode(error))) throw error;
      // No hard links here. The look before leaves a gap, which is the best that such a file system allows.
      if (findAt(final) !== null) throw Object.assign(new Error('exists'), { code: 'EEXIST' });
      renameSync(temporary, final);
      return;
    }
    unlinkSync(temporary);
  }

  private discardFinal(path: Buffer, isOurs: (stats: BigIntStats) => boolean): void {
    removeQuietly(() => {
      const place = this.finalPlace(path);
      const stats = findAt(place);
      return stats !== null && isOurs(stats) ? place : null;
    });
  }

  private finalPlace(path: Buffer): Buffer {
    const { parent, name } = splitPath(path);
    return this.tree.locate(parent, name);
  }

  /** False where the system or this file system cannot rename without replacing. */
  private renameNew(parent: Buffer, temporary: Buffer, final: Buffer): boolean {
    if (this.system === null || !this.canRenameNew) return false;
    const { handle } = this.tree.enter(parent);
    try {
      this.system.renameNew(handle, temporary, final);
      return true;
    } catch (error) {
      if (!['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM'].includes(errorCode(error))) throw error;
      // The target may hold several file systems, but then linking does as well for the rest.
      this.canRenameNew = false;
      return false;
    }
  }
}

/** `find` tells what is to be removed, or null. */
function removeQuietly(find: () => Buffer | null): void {
  try {
    const place = find();
    if (place !== null) unlinkSync(place);
  } catch {
    // Its directory or the file itself is gone, or not ours any more: nothing that looks whole is left either way.
  }
}
