import { chmodSync, chownSync, fchmodSync, fchownSync, fstatSync, futimesSync, lutimesSync, statfsSync } from 'node:fs';
import { decodeXattrs, type Entry, type Xattr } from '#engine';
import { type Newborn } from './directory-tree';
import { type SystemCalls } from './ports';
import { isDiskFull } from './restore-error';
import { type Notes } from './restore-report';
import { SET_ID_BITS, UNFINISHED_MODE } from './unfinished';

/** Of directories too, where a default ACL of a parent may have been inherited. */
const ACL_NAMES = new Set(['system.posix_acl_access', 'system.posix_acl_default']);

export interface Owner {
  uid: number;
  gid: number;
  isRoot: boolean;
}

/** One thing to be given its metadata: by handle where a call follows links, by name where the call does not. */
export interface Subject {
  /** Handle on it: O_PATH, or of a file open for writing. */
  fd: number;
  isOpenFile: boolean;
  /** Its place in an open directory; put together only where something asks by name. */
  locate: () => Buffer;
  entry: Entry;
  /** Attributes that are content of their own, put together; null for others. */
  xattrContent: Buffer | null;
  /** What it was born with, where that is known: what is right already is left alone. */
  newborn?: Newborn | null;
}

/**
 * Owner, then attributes (a change of owner drops capabilities), then times, and last the mode, which an ACL changes and which says
 * of a file that it is whole (UNFINISHED_MODE). What this
 * user or this file system cannot do is noted once, with a count; only a full disk and what nobody expects is thrown.
 */
export class Metadata {
  constructor(
    private readonly system: SystemCalls | null,
    private readonly owner: Owner,
    private readonly report: Pick<Notes, 'note'>,
  ) {}

  apply(subject: Subject): void {
    const { entry } = subject;
    const hasOwner = this.applyOwner(subject);
    this.applyXattrs(subject);
    this.applyTimes(subject);
    if (entry.kind !== 'symlink') this.applyMode(subject, hasOwner);
  }

  private applyOwner({ fd, isOpenFile, entry, newborn }: Subject): boolean {
    const { owner } = this;
    if (newborn && entry.uid === newborn.uid && entry.gid === newborn.gid) return true;
    // Its own, unless a directory with set-group-id handed its group down.
    if (!owner.isRoot && entry.uid === owner.uid && entry.gid === owner.gid && fstatSync(fd).gid === entry.gid)
      return true;
    try {
      if (isOpenFile) fchownSync(fd, entry.uid, entry.gid);
      else chownSync(handlePath(fd), entry.uid, entry.gid);
      return true;
    } catch (error) {
      if (isDiskFull(error)) throw error;
      this.report.note(
        owner.isRoot
          ? 'Owners that the target file system did not take were left as they are'
          : 'Owners were not restored: that needs root',
      );
      return false;
    }
  }

  private applyMode({ fd, isOpenFile, entry }: Subject, hasOwner: boolean): void {
    // Set-id bits give away the rights of whoever owns the file now: without the right owner they are dropped.
    const drops = !hasOwner && (entry.mode & SET_ID_BITS) !== 0;
    if (drops) this.report.note('Set-user-id and set-group-id bits were dropped with the owner');
    const mode = drops ? entry.mode & ~SET_ID_BITS : entry.mode;
    if (isOpenFile) this.chmodOpen(fd, mode);
    else chmodSync(handlePath(fd), mode);
  }

  private chmodOpen(fd: number, mode: number): void {
    if (this.system === null) fchmodSync(fd, mode);
    else this.system.chmodFile(fd, mode);
  }

  private applyXattrs({ locate, entry, xattrContent, newborn }: Subject): void {
    const xattrs = xattrContent === null ? (entry.xattrs ?? []) : decodeXattrs(xattrContent, 'extended attributes');
    if (this.system === null) {
      if (xattrs.length > 0) this.report.note('Extended attributes and ACLs were not restored: no native library');
      return;
    }
    if (newborn?.hasXattrs === false && xattrs.length === 0) return;
    const location = locate();
    if (newborn?.hasXattrs !== false) this.removeOthers(this.system, location, xattrs);
    for (const { name, value } of xattrs) {
      try {
        this.system.setXattr(location, name, value);
      } catch {
        // ENOSPC too: file systems say so when one file's attributes are too long, with the disk far from full.
        this.report.note(`Extended attribute ${shownName(name)} was not restored: not permitted or not possible here`);
      }
    }
  }

  /** ACLs inherited from a directory, and what a merged directory had before. Security labels stay the system's. */
  private removeOthers(system: SystemCalls, location: Buffer, xattrs: readonly Xattr[]): void {
    const wanted = new Set(xattrs.map(({ name }) => name.toString('latin1')));
    try {
      for (const name of system.listXattrs(location)) {
        const text = name.toString('latin1');
        if (wanted.has(text) || !isRemovable(text)) continue;
        system.removeXattr(location, name);
      }
    } catch (error) {
      if (isDiskFull(error)) throw error;
      // A file system without attributes has none to remove; setting says so where it matters.
    }
  }

  private applyTimes({ fd, isOpenFile, locate, entry }: Subject): void {
    if (this.system !== null) {
      if (isOpenFile) this.system.setTimesOfFile(fd, entry.mtimeNs, entry.mtimeNs);
      else this.system.setTimes(locate(), entry.mtimeNs, entry.mtimeNs);
      return;
    }
    this.report.note('Times were restored to the microsecond only: no native library');
    const seconds = Number(entry.mtimeNs / 1_000n) / 1e6;
    if (isOpenFile) futimesSync(fd, seconds, seconds);
    else lutimesSync(locate(), seconds, seconds);
  }
}

/**
 * Looks at a file that was just made with UNFINISHED_MODE: what its directory and file system gave to it, they give to the next one too.
 * Attributes that cannot be listed count as there. Does not throw on account of them.
 */
export function lookAtNewborn(system: SystemCalls, fd: number, location: Buffer): Newborn {
  const { uid, gid, mode, dev } = fstatSync(fd);
  const isMarked = (mode & 0o7777) === UNFINISHED_MODE;
  return { uid, gid, device: dev, hasXattrs: hasXattrs(system, location), keepsMark: isMarked && isLocal(dev, fd) };
}

/**
 * What a file in this directory is going to be like, told from one that was looked at in another: the same, where both are in one file
 * system, nothing hands down an ACL, and the group of that file and of this directory is the process's own, whichever of the two it
 * was and is to be taken from. Null: only a look at a file tells.
 */
export function expectNewborn(system: SystemCalls, directory: number, other: Newborn): Newborn | null {
  if (!other.keepsMark || other.hasXattrs || other.gid !== process.getegid?.()) return null;
  const { dev, gid } = fstatSync(directory);
  if (dev !== other.device || gid !== other.gid) return null;
  try {
    // Default ACLs, of whichever kind: no other attribute of a directory is its files' as well.
    const handsDown = system.listXattrsOfFile(directory).some((name) => name.toString('latin1').startsWith('system.'));
    return handsDown ? null : other;
  } catch {
    return null;
  }
}

function hasXattrs(system: SystemCalls, location: Buffer): boolean {
  try {
    return system.listXattrs(location).some((name) => isRemovable(name.toString('latin1')));
  } catch {
    // Each file is looked at for itself then.
    return true;
  }
}

/** statfs(2): ext2 to ext4, XFS, Btrfs, tmpfs, F2FS, ZFS, overlayfs. */
const LOCAL_TYPES = new Set([0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0xf2f5_2010, 0x2fc1_2fc1, 0x794c_7630]);
const localDevices = new Map<number, boolean>();

/** Where a file that was written and given its mode is whole: elsewhere closing it may still say that the disk was full. */
function isLocal(device: number, fd: number): boolean {
  let known = localDevices.get(device);
  if (known === undefined) {
    known = LOCAL_TYPES.has(statfsSync(handlePath(fd)).type);
    localDevices.set(device, known);
  }
  return known;
}

/** `trusted.`: only root sees them, and may take them away (overlayfs keeps there that a directory is opaque). */
function isRemovable(name: string): boolean {
  return ACL_NAMES.has(name) || name.startsWith('user.') || name.startsWith('trusted.');
}

/** A path that means what `fd` is open on, symlinks included: the kernel does not follow further. */
function handlePath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function shownName(name: Buffer): string {
  return JSON.stringify(
    name
      .subarray(0, 64)
      .toString('latin1')
      .replace(/[^\x20-\x7e]/g, '?'),
  );
}
