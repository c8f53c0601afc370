import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { type Entry, splitPath } from '#engine';
import { type DirectoryTree, type Newborn, type OpenDirectory } from './directory-tree';
import { type PlannedEntry } from './entry-spool';
import { expectNewborn, lookAtNewborn, type Metadata } from './metadata';
import { type Node } from './node-table';
import { type SystemCalls } from './ports';
import { writeFully } from './spool-file';
import { type TemporaryFiles } from './temporary-files';
import { canBeginInPlace, UNFINISHED_MODE } from './unfinished';
import { errorCode } from '../system/error-code';

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const FIRST_MODE = 0o600;

/** Which file was made, where somebody will ask. */
export type Identity = Pick<Node, 'device' | 'inode'>;

/** What a file is made from. */
export type NamedEntry = Pick<PlannedEntry, 'number' | 'path' | 'entry'>;

/** A file that one chunk makes whole: it is not created before the chunk is there. */
export function isOneChunk(entry: Entry): boolean {
  const { kind, content, size } = entry;
  if (kind !== 'file' || content === null || entry.isSparse === true || entry.xattrContent !== undefined) return false;
  return content.height === 0 && content.size === size;
}

/** A file that was just created. `isInPlace`: under its own name. */
interface Created {
  readonly fd: number;
  readonly newborn: Newborn | null;
  readonly isInPlace: boolean;
}

/**
 * Makes files whose bytes are all at hand: created, written and given their metadata with one handle, which saves most system
 * calls of a small file. The first one gets a temporary name and is moved to its place, and so is the first one of each directory that may
 * not make its files as the one before did; the others are made under their own names where they can be marked as unfinished, which saves a
 * renaming each. What fails on the way leaves nothing.
 */
export class WholeFiles {
  /** What the last one was like that was looked at. */
  private newborn: Newborn | null = null;

  constructor(
    private readonly tree: DirectoryTree,
    private readonly files: TemporaryFiles,
    private readonly metadata: Metadata,
    private readonly system: SystemCalls | null,
  ) {}

  /**
   * `bytes` is all that the file holds. It is in its place afterwards, or this throws. Tells which file it is when it
   * has hard links, which is what they ask later.
   */
  make(planned: NamedEntry, bytes: Buffer, xattrContent: Buffer | null): Identity | null {
    const { number, path, entry } = planned;
    const { fd, newborn, isInPlace } = this.create(planned);
    // Of a file in place nobody asks: it has no attributes.
    const locate = (): Buffer => this.files.locate(path, number);
    try {
      let identity = null;
      try {
        this.write(fd, bytes);
        this.metadata.apply({ fd, isOpenFile: true, locate, entry, xattrContent, newborn });
        if (entry.hardLinkGroup !== undefined) identity = identityOf(fd);
      } finally {
        this.close(fd);
      }
      if (!isInPlace) this.files.place(path, number, entry);
      return identity;
    } catch (error) {
      if (isInPlace) this.files.discardInPlace(path, entry);
      else this.files.discard(path, number);
      throw error;
    }
  }

  /** By calls that take the directory's handle, where there are: they cost a fraction of Node's. */
  private create(planned: NamedEntry): Created {
    const { path, number, entry } = planned;
    if (this.system === null) {
      const fd = openSync(this.files.locate(path, number), CREATE_FLAGS, FIRST_MODE);
      return { fd, newborn: null, isInPlace: false };
    }
    const { parent, name } = splitPath(path);
    const directory = this.tree.enter(parent);
    if (directory.newborn === null && this.newborn !== null) {
      directory.newborn = expectNewborn(this.system, directory.handle, this.newborn);
    }
    if (this.canBeInPlace(entry, directory.newborn)) {
      const fd = this.createInPlace(this.system, directory.handle, name, planned);
      if (fd !== null) return { fd, newborn: directory.newborn, isInPlace: true };
    }
    const fd = this.createTemporary(this.system, directory, number);
    if (directory.newborn === null) {
      this.newborn = lookAtNewborn(this.system, fd, this.files.locate(path, number));
      directory.newborn = this.newborn;
    }
    return { fd, newborn: directory.newborn, isInPlace: false };
  }

  /** Its mode says until the end that it is not whole, and nothing that is to be kept may stand there. */
  private canBeInPlace(entry: Entry, newborn: Newborn | null): boolean {
    if (newborn?.keepsMark !== true || newborn.hasXattrs) return false;
    return this.files.policy !== 'overwrite' && canBeginInPlace(entry);
  }

  /** Null: what stands there is an earlier restore's, and is replaced when this one is whole. */
  private createInPlace(
    system: SystemCalls,
    directory: number,
    name: Buffer,
    { path, entry }: NamedEntry,
  ): number | null {
    try {
      return system.createFile(directory, name, UNFINISHED_MODE);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST' || !this.files.givesWay(path, entry)) throw error;
      return null;
    }
  }

  /** The first file of a directory may have to tell whether the next ones can be marked. */
  private createTemporary(system: SystemCalls, { handle, newborn }: OpenDirectory, number: number): number {
    const name = this.files.name(number);
    if (newborn !== null) return system.createFile(handle, name, FIRST_MODE);
    try {
      return system.createFile(handle, name, UNFINISHED_MODE);
    } catch (error) {
      if (!['EPERM', 'EACCES', 'EINVAL', 'EOPNOTSUPP'].includes(errorCode(error))) throw error;
      // Perhaps it is the mode that this file system does not take.
      return system.createFile(handle, name, FIRST_MODE);
    }
  }

  private write(fd: number, bytes: Buffer): void {
    if (this.system === null) writeFully(fd, bytes, bytes.length, 0);
    else this.system.writeFile(fd, bytes);
  }

  private close(fd: number): void {
    if (this.system === null) closeSync(fd);
    else this.system.closeFile(fd);
  }
}

function identityOf(fd: number): Identity {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return { device: dev, inode: ino };
}
