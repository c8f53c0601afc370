import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { UnsupportedError } from './errors';
import { type OpenStream, openStream } from './open-stream';
import { readPath, writePath } from './records';
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid';

/**
 * A removal record says which versions of a task are gone. It is durable before the rows go, so that a catalog which is
 * rebuilt, or restored from an older copy, does not bring back what was removed. A record stream of type `removal`: this
 * header, then one record a version. Removals of a task are applied in the order of their numbers.
 */
export interface RemovalHeader {
  readonly removalId: string;
  readonly taskId: string;
  readonly number: number;
  /** Server's clock, milliseconds since 1970. */
  readonly decidedMs: number;
  readonly cause: 'policy' | 'forget';
}

/** The version of `path` that began with run `firstRun`, as the catalog had it before this removal. */
export interface RemovedVersion {
  readonly path: Buffer;
  readonly firstRun: number;
  /** Null: it was current. */
  readonly lastRun: number | null;
  /** A directory's: the version that began with this run begins with `firstRun` now. */
  readonly joinsRun: number | null;
}

const VERSION = 1;
const CAUSES = ['policy', 'forget'] as const;
const writer = new CborWriter();

/** [1, removal, task, number, decided ms, cause 1 policy 2 forget] */
export function encodeRemovalHeader(header: RemovalHeader): Buffer {
  writer.begin();
  writer.array(6);
  writer.uint(VERSION);
  writer.bytesOf(uuidToBytes(header.removalId));
  writer.bytesOf(uuidToBytes(header.taskId));
  writer.uint(header.number);
  writer.uint(header.decidedMs);
  writer.uint(CAUSES.indexOf(header.cause) + 1);
  return writer.take();
}

/** Throws CorruptError; UnsupportedError for another version. */
function decodeRemovalHeader(bytes: Uint8Array, place: string): RemovalHeader {
  const reader = new CborReader(bytes, place);
  const fields = reader.arrayOfAny(1);
  const version = reader.uint();
  if (version !== VERSION) throw new UnsupportedError(place, `removal record version ${version}`);
  if (fields !== 6) reader.fail(`a removal header of ${fields} fields`);
  const removalId = uuidFromBytes(reader.bytesOf(UUID_BYTES, UUID_BYTES), place);
  const taskId = uuidFromBytes(reader.bytesOf(UUID_BYTES, UUID_BYTES), place);
  const number = reader.uint();
  const decidedMs = reader.uint();
  const cause = CAUSES[reader.uint(CAUSES.length) - 1] ?? reader.fail('cause 0');
  reader.end();
  return { removalId, taskId, number, decidedMs, cause };
}

/** [parent, name, first run, last run | null, joins run | null] */
export function encodeRemovedVersion(version: RemovedVersion): Buffer {
  writer.begin();
  writer.array(5);
  writePath(writer, version.path);
  writer.uint(version.firstRun);
  if (version.lastRun === null) writer.null();
  else writer.uint(version.lastRun);
  if (version.joinsRun === null) writer.null();
  else writer.uint(version.joinsRun);
  return writer.take();
}

function decodeRemovedVersion(bytes: Uint8Array, place: string): RemovedVersion {
  const reader = new CborReader(bytes, place);
  reader.array(5);
  const path = readPath(reader);
  const firstRun = reader.uint();
  const lastRun = reader.takeNull() ? null : reader.uint();
  const joinsRun = reader.takeNull() ? null : reader.uint();
  reader.end();
  if (firstRun === 0) reader.fail('a version of run 0');
  if (lastRun !== null && lastRun <= firstRun) reader.fail('a version that ended before it began');
  if (joinsRun !== null && (lastRun === null || joinsRun < lastRun)) reader.fail('a version that joins no later one');
  return { path, firstRun, lastRun, joinsRun };
}

export function openRemoval(
  source: AsyncIterable<Uint8Array>,
  place: string,
): Promise<OpenStream<RemovalHeader, RemovedVersion>> {
  return openStream(source, place, {
    type: 'removal',
    decodeHeader: decodeRemovalHeader,
    decodeRecord: decodeRemovedVersion,
  });
}

/** Key in storage of a removal record. */
export function removalKey(taskId: string, number: number, removalId: string): string {
  return `tasks/${taskId}/removed-${number}-${removalId}`;
}
