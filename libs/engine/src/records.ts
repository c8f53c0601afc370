import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { readDetection } from './detection';
import { readEntry } from './entry-codec';
import { InvalidError } from './errors';
import { joinPath, MAX_NAME_BYTES, MAX_PATH_BYTES, nameProblem, pathProblem } from './path';

/**
 * Records are CBOR arrays; entry and detection stand in them as the CBOR that they are, byte for byte. Encoders trust
 * these bytes (they come from encodeEntry and encodeDetection, or from a decoder); decoders check them and return
 * them raw, as views into the record. Decoders throw CorruptError, encoders InvalidError for a path that is none.
 */
export interface EntryRecord {
  readonly path: Buffer;
  readonly entry: Buffer;
}

/** A line of the index file: what the last committed run knew about a path. */
export interface IndexRecord extends EntryRecord {
  readonly detection: Buffer;
}

/** `deleted`: its absence was seen. `deselected`: roots or excludes no longer select it. */
export type CloseReason = 'deleted' | 'deselected';

/** One path as it was from run `firstRun` until before run `lastRun`; numbers are the task's run numbers. */
export interface VersionRecord extends EntryRecord {
  readonly firstRun: number;
  /** Null while it is current. */
  readonly lastRun: number | null;
  /** Why it ended without a newer version; null: it was replaced, or is current. */
  readonly endReason: CloseReason | null;
}

/** What a run says about a path, in its batches and in its manifest. */
export type Change =
  | { readonly type: 'put'; readonly path: Buffer; readonly entry: Buffer; readonly detection: Buffer }
  | { readonly type: 'close'; readonly path: Buffer; readonly reason: CloseReason };

const PUT = 0;
const CLOSE = 1;
const REASONS: readonly CloseReason[] = ['deleted', 'deselected'];
const SLASH = 0x2f;

const writer = new CborWriter();

/** [parent, name, entry] */
export function encodeEntryRecord(record: EntryRecord): Buffer {
  writer.begin();
  writer.array(3);
  writePath(writer, record.path);
  writer.raw(record.entry);
  return writer.take();
}

export function decodeEntryRecord(bytes: Uint8Array, place: string): EntryRecord {
  const reader = new CborReader(bytes, place);
  reader.array(3);
  const path = readPath(reader);
  const entry = readEntryBytes(reader);
  reader.end();
  return { path, entry };
}

/** [parent, name, entry, detection] */
export function encodeIndexRecord(record: IndexRecord): Buffer {
  writer.begin();
  writer.array(4);
  writePath(writer, record.path);
  writer.raw(record.entry);
  writer.raw(record.detection);
  return writer.take();
}

export function decodeIndexRecord(bytes: Uint8Array, place: string): IndexRecord {
  const reader = new CborReader(bytes, place);
  reader.array(4);
  const path = readPath(reader);
  const entry = readEntryBytes(reader);
  const detection = readDetectionBytes(reader);
  reader.end();
  return { path, entry, detection };
}

/** [parent, name, entry, first run, last run or null, reason (0 none, 1 deleted, 2 deselected)] */
export function encodeVersionRecord(record: VersionRecord): Buffer {
  writer.begin();
  writer.array(6);
  writePath(writer, record.path);
  writer.raw(record.entry);
  writer.uint(record.firstRun);
  if (record.lastRun === null) writer.null();
  else writer.uint(record.lastRun);
  writer.uint(record.endReason === null ? 0 : REASONS.indexOf(record.endReason) + 1);
  return writer.take();
}

export function decodeVersionRecord(bytes: Uint8Array, place: string): VersionRecord {
  const reader = new CborReader(bytes, place);
  reader.array(6);
  const path = readPath(reader);
  const entry = readEntryBytes(reader);
  const firstRun = reader.uint();
  const lastRun = reader.takeNull() ? null : reader.uint();
  if (lastRun !== null && lastRun <= firstRun) reader.fail(`a version from run ${firstRun} to run ${lastRun}`);
  const code = reader.uint(REASONS.length);
  if (lastRun === null && code !== 0) reader.fail('a current version with a reason to end');
  reader.end();
  return { path, entry, firstRun, lastRun, endReason: REASONS[code - 1] ?? null };
}

/** [0, parent, name, entry, detection] or [1, parent, name, reason (1 deleted, 2 deselected)] */
export function encodeChange(change: Change): Buffer {
  writer.begin();
  if (change.type === 'put') {
    writer.array(5);
    writer.uint(PUT);
    writePath(writer, change.path);
    writer.raw(change.entry);
    writer.raw(change.detection);
  } else {
    writer.array(4);
    writer.uint(CLOSE);
    writePath(writer, change.path);
    writer.uint(REASONS.indexOf(change.reason) + 1);
  }
  return writer.take();
}

export function decodeChange(bytes: Uint8Array, place: string): Change {
  const reader = new CborReader(bytes, place);
  const fields = reader.arrayOfAny(1);
  const type = reader.uint(CLOSE);
  if (fields !== (type === PUT ? 5 : 4)) reader.fail(`a change of type ${type} with ${fields} fields`);
  const path = readPath(reader);
  if (type === PUT) {
    const entry = readEntryBytes(reader);
    const detection = readDetectionBytes(reader);
    reader.end();
    return { type: 'put', path, entry, detection };
  }
  const reason = REASONS[reader.uint(REASONS.length) - 1] ?? reader.fail('a closing without reason');
  reader.end();
  return { type: 'close', path, reason };
}

/** Parent and name as two byte strings, without a buffer for either. */
export function writePath(writer: CborWriter, path: Buffer): void {
  if (path[0] !== SLASH || path.length > MAX_PATH_BYTES)
    throw new InvalidError('not an absolute path of bounded length');
  if (path.length === 1) {
    writer.bytesOf(path, 0, 0);
    writer.bytesOf(path, 0, 0);
    return;
  }
  const slash = path.lastIndexOf(SLASH);
  writer.bytesOf(path, 0, slash === 0 ? 1 : slash);
  writer.bytesOf(path, slash + 1);
}

export function readPath(reader: CborReader): Buffer {
  const parent = reader.bytesOf(0, MAX_PATH_BYTES);
  const name = reader.bytesOf(0, MAX_NAME_BYTES);
  if (parent.length > 0) {
    const problem = pathProblem(parent) ?? nameProblem(name, 0, name.length);
    if (problem !== null) reader.fail(`a path ${problem}`);
    if (parent.length + 1 + name.length > MAX_PATH_BYTES) reader.fail(`a path longer than ${MAX_PATH_BYTES} bytes`);
  } else if (name.length > 0) {
    reader.fail('a name without parent');
  }
  return joinPath(parent, name);
}

function readEntryBytes(reader: CborReader): Buffer {
  const start = reader.offset;
  readEntry(reader);
  return reader.since(start);
}

function readDetectionBytes(reader: CborReader): Buffer {
  const start = reader.offset;
  readDetection(reader);
  return reader.since(start);
}
