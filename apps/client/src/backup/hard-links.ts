import { createHash } from 'node:crypto';
import { splitPath } from '#engine';
import type { FileStat } from '../system/file-stat';
import { kindOf } from '../system/kind-of';

/**
 * Names the group of paths that are one file: the first 8 bytes (little endian) of SHA-256(path || 0 || inode as u64),
 * where the path is the first directory of the file's device that this run saw. Device numbers change over reboots,
 * the place where a file system is mounted does not; so a group keeps its number from run to run, with memory for one
 * path per file system instead of one line per file.
 */
export class HardLinks {
  private readonly firstDirectories = new Map<bigint, Buffer>();

  /** To be told of every directory, in walk order. */
  seeDirectory(device: bigint, path: Buffer): void {
    if (!this.firstDirectories.has(device)) this.firstDirectories.set(device, Buffer.from(path));
  }

  /** Undefined for a file that has one name. */
  groupOf(stat: FileStat, path: Buffer): bigint | undefined {
    if (stat.nlink <= 1n || kindOf(stat) === 'directory') return undefined;
    // Some file systems (overlayfs) give files another device than their directories.
    this.seeDirectory(stat.dev, splitPath(path).parent);
    const inode = Buffer.alloc(8);
    inode.writeBigUInt64LE(BigInt.asUintN(64, stat.ino));
    const first = this.firstDirectories.get(stat.dev) ?? path;
    return createHash('sha256').update(first).update(Buffer.alloc(1)).update(inode).digest().readBigUInt64LE(0);
  }
}
