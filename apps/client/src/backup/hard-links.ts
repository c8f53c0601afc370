import { hash } from 'node:crypto';
import { splitPath } from '#engine';
import type { FileStat } from '../system/file-stat';
import { kindOf } from '../system/kind-of';

const INODE_BYTES = 8;

/**
 * Names the group of paths that are one file: the first 8 bytes (little endian) of SHA-256(path || 0 || inode as u64),
 * where the path is the first directory of the file's device that this run saw. Device numbers change over reboots,
 * the place where a file system is mounted does not; so a group keeps its number from run to run, with memory for one
 * path per file system instead of one line per file.
 */
export class HardLinks {
  /** By device: what is hashed, of which the last 8 bytes are filled in. */
  private readonly names = new Map<bigint, Buffer>();
  /** Of the device that was asked for last. */
  private last: { readonly device: bigint; readonly named: Buffer } | null = null;

  /** To be told of every directory, in walk order. */
  seeDirectory(device: bigint, path: Buffer): void {
    if (!this.names.has(device)) this.names.set(device, Buffer.concat([path, Buffer.alloc(1 + INODE_BYTES)]));
  }

  /** Undefined for a file that has one name. */
  groupOf(stat: FileStat, path: Buffer): bigint | undefined {
    if (stat.nlink <= 1n || kindOf(stat) === 'directory') return undefined;
    // Some file systems (overlayfs) give files another device than their directories.
    this.seeDirectory(stat.dev, splitPath(path).parent);
    const inode = BigInt.asUintN(64, stat.ino);
    return this.digest(stat.dev, Number(inode >> 32n), Number(inode & 0xffff_ffffn))?.readBigUInt64LE(0);
  }

  /**
   * The same for a file that has several names, in halves of 32 bits: bytes 4 to 7 of what is answered (little endian) are the
   * high one, 0 to 3 the low one. Null: no directory of the device was seen.
   */
  digest(device: bigint, inodeHigh: number, inodeLow: number): Buffer | null {
    if (this.last?.device !== device) {
      const named = this.names.get(device);
      if (named === undefined) return null;
      this.last = { device, named };
    }
    const { named } = this.last;
    named.writeUInt32LE(inodeLow, named.length - INODE_BYTES);
    named.writeUInt32LE(inodeHigh, named.length - INODE_BYTES / 2);
    return hash('sha256', named, 'buffer');
  }
}
