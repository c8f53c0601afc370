import { type ContentRef, ID_BYTES, MAX_HEIGHT } from './ids';
import { MAX_INLINE_XATTR_BYTES, type Xattr } from './xattrs';

/** In the order of their codes, 1 to 6. */
export const ENTRY_KINDS = ['file', 'directory', 'symlink', 'fifo', 'character-device', 'block-device'] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/**
 * What a backup knows about one path, its name aside. Its encoding is the identity of a version: two entries are the
 * same version exactly when their bytes are equal.
 */
export interface Entry {
  readonly kind: EntryKind;
  /** Bytes of a file; 0 for every other kind. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** The 12 permission bits, setuid, setgid and sticky included. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Covers exactly `size` bytes; null for a file of 0 bytes and for every other kind. */
  readonly content: ContentRef | null;
  /** Of symlinks, and always of them. */
  readonly linkTarget?: Buffer;
  /** Opaque, equal for the paths of one task that are one file; never of directories. */
  readonly hardLinkGroup?: bigint;
  /** Ascending by name, not empty; encoded no longer than MAX_INLINE_XATTR_BYTES. */
  readonly xattrs?: readonly Xattr[];
  /** Instead of `xattrs` when those are longer: content that is encodeXattrs(xattrs). */
  readonly xattrContent?: ContentRef;
  /** Of devices, and always of them. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** A file that had holes. */
  readonly isSparse?: true;
}

export const MAX_ENTRY_BYTES = 64 * 1024;

export const MAX_MODE = 0o7777;
export const MAX_U32 = 0xffff_ffff;

/** What makes the fields contradict each other or leave their range, or null. */
export function entryProblem(entry: Entry): string | null {
  if (entry.mode > MAX_MODE) return `mode ${entry.mode} has more than 12 bits`;
  if (entry.uid > MAX_U32 || entry.gid > MAX_U32) return `owner ${entry.uid}:${entry.gid} is out of range`;
  if (entry.kind === 'file') {
    const covered = entry.content?.size ?? 0;
    if (covered !== entry.size) return `a file of ${entry.size} bytes whose content covers ${covered}`;
    if (entry.content !== null && entry.size === 0) return 'a file of 0 bytes has no content reference';
  } else {
    if (entry.size !== 0) return `a ${entry.kind} of ${entry.size} bytes: only files have a size`;
    if (entry.content !== null) return `a ${entry.kind} with content: only files have content`;
  }
  if (entry.content !== null) {
    const problem = contentProblem(entry.content);
    if (problem !== null) return problem;
  }
  if (entry.xattrContent !== undefined) {
    if (entry.xattrContent.size <= MAX_INLINE_XATTR_BYTES) return 'extended attributes that are content, though short';
    const problem = contentProblem(entry.xattrContent);
    if (problem !== null) return problem;
  }
  return extrasProblem(entry);
}

function contentProblem(content: ContentRef): string | null {
  if (content.id.length !== ID_BYTES) return `a content id of ${content.id.length} bytes`;
  if (content.height > MAX_HEIGHT) return `a content reference of height ${content.height}`;
  return null;
}

/** Which extra is missing, does not fit the kind, or contradicts another; null when all is well. */
function extrasProblem(entry: Entry): string | null {
  const { kind, linkTarget, device } = entry;
  if ((kind === 'symlink') !== (linkTarget !== undefined))
    return `a ${kind} ${linkTarget ? 'with' : 'without'} link target`;
  if (linkTarget !== undefined && (linkTarget.length === 0 || linkTarget.includes(0))) {
    return 'a link target is not empty and has no NUL';
  }
  const isDevice = kind === 'character-device' || kind === 'block-device';
  if (isDevice !== (device !== undefined)) return `a ${kind} ${device ? 'with' : 'without'} device numbers`;
  if (device !== undefined && (device.major > MAX_U32 || device.minor > MAX_U32))
    return 'device numbers are out of range';
  if (kind === 'directory' && entry.hardLinkGroup !== undefined) return 'a directory in a hard-link group';
  if (kind !== 'file' && entry.isSparse !== undefined) return `a sparse ${kind}`;
  if (entry.xattrs?.length === 0) return 'an empty list of extended attributes';
  if (entry.xattrs !== undefined && entry.xattrContent !== undefined)
    return 'extended attributes both inline and as content';
  return null;
}
