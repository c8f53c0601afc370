import type { BigIntStats } from 'node:fs';
import { splitPath } from '#engine';
import { DirectoryHandle } from '../system/directory-handle';
import { placeOnHost } from './host-root';
import { errorCode } from '../system/error-code';

/** The directory, or one above it, is not there (any more), or something that is no directory took its place. */
const GONE = ['ENOENT', 'ENOTDIR', 'ELOOP'];

/**
 * A second look at names that a listing left out: while a directory changes, some file systems leave out names that were
 * there all the time (a file that is replaced by a rename, on btrfs and over NFS). By handle, no link is followed; one
 * directory stays open, for the names in it come one after the other.
 */
export class Absence {
  constructor(private readonly hostRoot: Buffer) {}

  private directory: { readonly path: Buffer; readonly handle: DirectoryHandle } | null = null;

  /** Null: nothing stands there, proven. Throws when that cannot be told. */
  lookAgain(path: Buffer): BigIntStats | null {
    const { parent, name } = splitPath(path);
    try {
      return this.open(parent).lstat(name);
    } catch (error) {
      if (GONE.includes(errorCode(error))) return null;
      throw error;
    }
  }

  close(): void {
    this.directory?.handle.close();
    this.directory = null;
  }

  private open(path: Buffer): DirectoryHandle {
    if (this.directory?.path.equals(path) === true) return this.directory.handle;
    this.close();
    const handle = DirectoryHandle.walk(placeOnHost(this.hostRoot, path));
    this.directory = { path: Buffer.from(path), handle };
    return handle;
  }
}
