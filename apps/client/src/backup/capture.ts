import { type BigIntStats, closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs';
import {
  type ContentRef,
  type Detection,
  encodeXattrs,
  type Entry,
  type EntryKind,
  MAX_INLINE_XATTR_BYTES,
} from '#engine';
import { decodeDeviceNumber } from '../system/device-number';
import { describeError, isSystemError } from '../system/error-code';
import { kindOf } from '../system/kind-of';
import type { NativeCalls } from '../system/native-calls';
import { type ChunkSink, storeBytes } from './chunk-sink';
import type { ContentReader, ReadFile } from './content-reader';
import { mayHaveHoles } from './extents';
import type { HardLinks } from './hard-links';
import type { LinkedContents } from './linked-contents';
import { readXattrs } from './read-xattrs';
import type { Standing } from './scanner';

/** What stands at a path, as it was seen before it is read. */
export interface Subject {
  readonly path: Buffer;
  readonly at: Standing;
  readonly kind: EntryKind;
  readonly stat: BigIntStats;
  readonly isMount: boolean;
}

export interface CaptureTools {
  readonly native: NativeCalls | null;
  readonly reader: ContentReader;
  readonly hardLinks: HardLinks;
  readonly sink: ChunkSink;
  /** Null: read everything, also what another name of the file was read for. */
  readonly linkedContents: LinkedContents | null;
  /** The wall clock in ms: the one that ctime is compared with. */
  readonly now: () => number;
  readonly onBytes: (count: number) => void;
}

export type Captured =
  | {
      readonly type: 'saved';
      readonly entry: Entry;
      readonly detection: Detection;
      /** Something of it is missing all the same (an attribute that may not be read). */
      readonly problem: string | null;
    }
  | { readonly type: 'unsaved'; readonly reason: string };

/** Changed while it was read. */
class ChangedError extends Error {}

/** A file whose ctime is so near to the reading may change again without a new ctime: it is read again next time. */
const RACY_NS = 2_000_000_000n;

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Reads what stands at a path: metadata, and a file's content, which goes to the sink. What it returns was true at one
 * moment: the stat before and the one after reading are the same. What changes meanwhile is read once more at once;
 * what then changes again, vanishes or cannot be read is 'unsaved' with a reason. Errors of the sink pass.
 */
export async function capture(subject: Subject, tools: CaptureTools): Promise<Captured> {
  try {
    return await attempt(subject, tools);
  } catch (error) {
    if (!(error instanceof ChangedError)) return unsavedOr(error);
  }
  try {
    const stat = subject.at.parent.lstat(subject.at.name);
    if (kindOf(stat) !== subject.kind) return { type: 'unsaved', reason: 'it was replaced while it was read' };
    return await attempt({ ...subject, stat }, tools);
  } catch (error) {
    if (error instanceof ChangedError) return { type: 'unsaved', reason: 'it changed while it was read, twice' };
    return unsavedOr(error);
  }
}

/** Failures of the file system are the file's; everything else (network, cancellation) is the run's. */
function unsavedOr(error: unknown): Captured {
  if (error instanceof SinkError) throw error.cause;
  if (!isSystemError(error)) throw error;
  return { type: 'unsaved', reason: describeError(error) };
}

/** Keeps what the sink throws (a connection that failed has code and syscall too) apart from the file's own errors. */
class SinkError extends Error {
  constructor(cause: unknown) {
    super('the sink failed', { cause });
  }
}

async function attempt(subject: Subject, tools: CaptureTools): Promise<Captured> {
  const sink: ChunkSink = {
    add: async (chunk) => {
      try {
        await tools.sink.add(chunk);
      } catch (error) {
        throw new SinkError(error);
      }
    },
  };
  return subject.kind === 'file' ? attemptFile(subject, tools, sink) : attemptOther(subject, tools, sink);
}

async function attemptFile(subject: Subject, tools: CaptureTools, sink: ChunkSink): Promise<Captured> {
  const { at, stat } = subject;
  const startedMs = tools.now();
  const fd = openSync(at.parent.child(at.name), OPEN_FLAGS);
  try {
    if (!isSame(fstatSync(fd, { bigint: true }), stat)) throw new ChangedError();
    const known = tools.linkedContents?.find(stat) ?? null;
    const file = known?.read ?? (await readContent(fd, stat, tools, sink));
    // Racy is what was racy when the bytes were read, under whichever name.
    const readMs = known?.readMs ?? startedMs;
    const attributes = await readAttributes(subject, tools, sink);
    if (!file.isComplete || !isSame(fstatSync(fd, { bigint: true }), stat)) throw new ChangedError();
    tools.linkedContents?.remember(stat, file, readMs);
    const isSparse = file.hasHoles || (tools.native === null && mayHaveHoles(stat));
    return {
      type: 'saved',
      entry: {
        ...commonFields(subject, tools),
        size: Number(stat.size),
        content: file.content,
        ...attributes.fields,
        ...(isSparse ? { isSparse: true } : {}),
      },
      detection: detectionOf(subject, readMs, attributes.problem !== null),
      problem: attributes.problem,
    };
  } finally {
    closeSync(fd);
  }
}

function readContent(fd: number, stat: BigIntStats, tools: CaptureTools, sink: ChunkSink): Promise<ReadFile> {
  const { reader, onBytes } = tools;
  return reader.read({ fd, size: Number(stat.size), mayHaveHoles: mayHaveHoles(stat), sink, onBytes });
}

async function attemptOther(subject: Subject, tools: CaptureTools, sink: ChunkSink): Promise<Captured> {
  const { at, stat, kind } = subject;
  const startedMs = tools.now();
  const isDevice = kind === 'character-device' || kind === 'block-device';
  const linkTarget = kind === 'symlink' ? readlinkSync(at.parent.child(at.name), { encoding: 'buffer' }) : null;
  const attributes = await readAttributes(subject, tools, sink);
  const after = at.parent.lstat(at.name);
  const hasChanged = !isSame(after, stat);
  // In a busy directory names come and go all the time: it is saved as it was before, and looked at again next time.
  if (hasChanged && !(kind === 'directory' && after.ino === stat.ino && after.isDirectory())) throw new ChangedError();
  const detection = detectionOf(subject, startedMs, hasChanged || attributes.problem !== null);
  return {
    type: 'saved',
    entry: {
      ...commonFields(subject, tools),
      size: 0,
      content: null,
      ...attributes.fields,
      ...(linkTarget === null ? {} : { linkTarget }),
      ...(isDevice ? { device: decodeDeviceNumber(stat.rdev) } : {}),
    },
    detection,
    problem: attributes.problem,
  };
}

async function readAttributes(
  subject: Subject,
  tools: CaptureTools,
  sink: ChunkSink,
): Promise<{ fields: Pick<Entry, 'xattrs' | 'xattrContent'>; problem: string | null }> {
  const { at } = subject;
  const { xattrs, problem } = readXattrs(at.parent.child(at.name), tools.native);
  if (xattrs.length === 0) return { fields: {}, problem };
  const encoded = encodeXattrs(xattrs);
  if (encoded.length <= MAX_INLINE_XATTR_BYTES) return { fields: { xattrs }, problem };
  const xattrContent: ContentRef | null = await storeBytes(encoded, sink);
  return { fields: xattrContent === null ? {} : { xattrContent }, problem };
}

function commonFields(
  { stat, kind, path }: Subject,
  { hardLinks }: CaptureTools,
): Pick<Entry, 'kind' | 'mtimeNs' | 'mode' | 'uid' | 'gid' | 'hardLinkGroup'> {
  const hardLinkGroup = hardLinks.groupOf(stat, path);
  return {
    kind,
    mtimeNs: stat.mtimeNs,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    ...(hardLinkGroup === undefined ? {} : { hardLinkGroup }),
  };
}

/** `isDoubtful`: what is missing of it must be missed again by the next run, else that would look whole. */
function detectionOf({ stat, isMount }: Subject, startedMs: number, isDoubtful: boolean): Detection {
  return {
    ctimeNs: stat.ctimeNs,
    inode: BigInt.asUintN(64, stat.ino),
    device: BigInt.asUintN(64, stat.dev),
    isMount,
    isRacy: isDoubtful || stat.ctimeNs > BigInt(startedMs) * 1_000_000n - RACY_NS,
  };
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  const isSameFile = a.ino === b.ino && a.dev === b.dev && a.mode === b.mode && a.rdev === b.rdev;
  return isSameFile && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}
