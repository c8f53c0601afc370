import { readlinkSync } from 'node:fs';
import {
  type Detection,
  encodeXattrs,
  type Entry,
  type EntryKind,
  MAX_INLINE_XATTR_BYTES,
  MIN_CHUNK_BYTES,
} from '#engine';
import { decodeDeviceNumber } from '../system/device-number';
import { describeError, isSystemError } from '../system/error-code';
import { kindOf } from '../system/kind-of';
import type { NativeCalls } from '../system/native-calls';
import { type ChunkSink, likenessOf, storeBytes } from './chunk-sink';
import type { ContentReader, ReadFile } from './content-reader';
import { mayHaveHoles } from './extents';
import type { HardLinks } from './hard-links';
import type { LinkedContents } from './linked-contents';
import { isSame, OpenedFile } from './opened-file';
import { type ReadXattrs, readXattrs } from './read-xattrs';
import { changedInTick, type RecentFiles } from './recent-files';
import type { Standing } from './scanner';
import type { FileStat } from '../system/file-stat';

/** What stands at a path, as it was seen before it is read. */
export interface Subject {
  readonly path: Buffer;
  readonly at: Standing;
  readonly kind: EntryKind;
  readonly stat: FileStat;
  readonly isMount: boolean;
}

export interface CaptureTools {
  readonly native: NativeCalls | null;
  readonly reader: ContentReader;
  readonly hardLinks: HardLinks;
  readonly sink: ChunkSink;
  /** Null: read everything, also what another name of the file was read for. */
  readonly linkedContents: LinkedContents | null;
  readonly recentFiles: RecentFiles;
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

/**
 * Reads what stands at a path: metadata, and a file's content, which goes to the sink. What it returns was true at one
 * moment: the stat before and the one after reading are the same. What changes meanwhile is read once more at once;
 * what then changes again, vanishes or cannot be read is 'unsaved' with a reason. Errors of the sink pass.
 * Mostly it returns at once: a promise for each of a million small files costs more than reading it.
 */
export function capture(subject: Subject, tools: CaptureTools): Captured | Promise<Captured> {
  return captureAtOnce(subject, tools) ?? captureInTurn(subject, tools);
}

/** Null when it takes more than one chunk, has to wait for the sink, or does not go smoothly: captureInTurn does it, and names what is wrong. */
function captureAtOnce(subject: Subject, tools: CaptureTools): Captured | null {
  try {
    return subject.kind === 'file' ? smallFileAtOnce(subject, tools) : otherAtOnce(subject, tools);
  } catch (error) {
    if (error instanceof ChangedError || isSystemError(error)) return null;
    throw error;
  }
}

async function captureInTurn(subject: Subject, tools: CaptureTools): Promise<Captured> {
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
  const { sink } = tools;
  const guarded: ChunkSink = {
    tryAdd: (chunk) => sink.tryAdd(chunk),
    add: async (chunk) => {
      try {
        await sink.add(chunk);
      } catch (error) {
        throw new SinkError(error);
      }
    },
  };
  return subject.kind === 'file' ? attemptFile(subject, tools, guarded) : attemptOther(subject, tools, guarded);
}

function smallFileAtOnce(subject: Subject, tools: CaptureTools): Captured | null {
  const { at, stat } = subject;
  if (stat.size > MIN_CHUNK_BYTES || mayHaveHoles(stat)) return null;
  const startedMs = tools.now();
  const opened = OpenedFile.open(at, tools.native?.files ?? null);
  try {
    if (!opened.isStill(stat)) return null;
    const known = tools.linkedContents?.find(stat) ?? null;
    const file =
      known?.read ??
      tools.reader.readAtOnce({ ...tools, likeness: likenessOf(at.name), fd: opened.fd, size: Number(stat.size) });
    const attributes = file === null ? null : inlineAttributes(readXattrs(at, tools.native, opened.fd));
    if (file === null || attributes === null) return null;
    return savedFile(subject, tools, { opened, file, attributes, readMs: known?.readMs ?? startedMs });
  } finally {
    opened.close();
  }
}

async function attemptFile(subject: Subject, tools: CaptureTools, sink: ChunkSink): Promise<Captured> {
  const { at, stat } = subject;
  const startedMs = tools.now();
  const opened = OpenedFile.open(at, tools.native?.files ?? null);
  try {
    if (!opened.isStill(stat)) throw new ChangedError();
    const known = tools.linkedContents?.find(stat) ?? null;
    const file = known?.read ?? (await readContent(opened.fd, subject, tools, sink));
    const attributes = await storedAttributes(readXattrs(at, tools.native, opened.fd), sink);
    return savedFile(subject, tools, { opened, file, attributes, readMs: known?.readMs ?? startedMs });
  } finally {
    opened.close();
  }
}

function readContent(fd: number, { at, stat }: Subject, tools: CaptureTools, sink: ChunkSink): Promise<ReadFile> {
  const { reader, onBytes } = tools;
  const likeness = likenessOf(at.name);
  return reader.read({ fd, size: Number(stat.size), mayHaveHoles: mayHaveHoles(stat), sink, likeness, onBytes });
}

interface FileRead {
  readonly opened: OpenedFile;
  readonly file: ReadFile;
  readonly attributes: Attributes;
  /** Racy is what was racy when the bytes were read, under whichever name. */
  readonly readMs: number;
}

/** What was read of a file, if it is true: throws ChangedError. */
function savedFile(subject: Subject, tools: CaptureTools, { opened, file, attributes, readMs }: FileRead): Captured {
  const { stat, at } = subject;
  if (!file.isComplete || !opened.isStill(stat)) throw new ChangedError();
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
    detection: detectionOf(
      subject,
      attributes.problem !== null || tools.recentFiles.mayChangeUnseen(stat, readMs, at.parent),
    ),
    problem: attributes.problem,
  };
}

function otherAtOnce(subject: Subject, tools: CaptureTools): Captured | null {
  const startedMs = tools.now();
  const attributes = inlineAttributes(readXattrs(subject.at, tools.native, null));
  return attributes === null ? null : savedOther(subject, tools, { attributes, startedMs });
}

async function attemptOther(subject: Subject, tools: CaptureTools, sink: ChunkSink): Promise<Captured> {
  const startedMs = tools.now();
  const attributes = await storedAttributes(readXattrs(subject.at, tools.native, null), sink);
  return savedOther(subject, tools, { attributes, startedMs });
}

/** What was seen of a path that is no file, if it is true: throws ChangedError. */
function savedOther(
  subject: Subject,
  tools: CaptureTools,
  { attributes, startedMs }: { readonly attributes: Attributes; readonly startedMs: number },
): Captured {
  const { at, stat, kind } = subject;
  const isDevice = kind === 'character-device' || kind === 'block-device';
  const linkTarget = kind === 'symlink' ? readlinkSync(at.parent.child(at.name), { encoding: 'buffer' }) : null;
  const after = at.parent.lstat(at.name);
  const hasChanged = !isSame(after, stat);
  // In a busy directory names come and go all the time: it is saved as it was before, and looked at again next time.
  if (hasChanged && !(kind === 'directory' && after.ino === stat.ino && kindOf(after) === 'directory'))
    throw new ChangedError();
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
    detection: detectionOf(subject, hasChanged || attributes.problem !== null || changedInTick(stat, startedMs)),
    problem: attributes.problem,
  };
}

interface Attributes {
  readonly fields: Pick<Entry, 'xattrs' | 'xattrContent'>;
  readonly problem: string | null;
}

/** Null: they are too long to stand in the entry. */
function inlineAttributes({ xattrs, problem }: ReadXattrs): Attributes | null {
  if (xattrs.length === 0) return { fields: {}, problem };
  return encodeXattrs(xattrs).length <= MAX_INLINE_XATTR_BYTES ? { fields: { xattrs }, problem } : null;
}

async function storedAttributes(read: ReadXattrs, sink: ChunkSink): Promise<Attributes> {
  const inline = inlineAttributes(read);
  if (inline !== null) return inline;
  const xattrContent = await storeBytes(encodeXattrs(read.xattrs), sink);
  return { fields: xattrContent === null ? {} : { xattrContent }, problem: read.problem };
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

/** Racy: what is missing of it, or may change unseen, must be looked for again by the next run, else that would take it for whole. */
function detectionOf({ stat, isMount }: Subject, isRacy: boolean): Detection {
  return {
    ctimeNs: stat.ctimeNs,
    inode: BigInt.asUintN(64, stat.ino),
    device: BigInt.asUintN(64, stat.dev),
    isMount,
    isRacy,
  };
}
