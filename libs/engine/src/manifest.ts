import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { isKnownChunker } from './chunker';
import { InvalidError, UnsupportedError } from './errors';
import { type OpenStream, openStream } from './open-stream';
import { MAX_PATH_BYTES, parsePath, pathProblem } from './path';
import { type Change, decodeChange } from './records';
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid';

/**
 * The manifest of a run: a record stream of type `manifest`, whose first record is this header and whose others are
 * the run's changes, detection data included. With the packs it is enough to rebuild the run's part of the catalog.
 */
export interface ManifestHeader {
  readonly runId: string;
  /** The task's head when the run started; null for its first run. */
  readonly parentRunId: string | null;
  readonly taskId: string;
  /** The run's number within its task. */
  readonly number: number;
  /** When the run was committed, by the server's clock: milliseconds since 1970. */
  readonly stampMs: number;
  readonly outcome: 'succeeded' | 'partial';
  /** As Node's process.platform says: `linux`, `darwin`, ... */
  readonly platform: string;
  /** Of the chunker that cut the run's files. */
  readonly chunkerId: string;
  readonly roots: readonly Buffer[];
}

const VERSION = 1;
const FIELDS = 10;
const OUTCOMES = ['succeeded', 'partial'] as const;
const MAX_TEXT_BYTES = 64;
const writer = new CborWriter();

/** [1, run, parent | null, task, number, stamp ms, outcome 1 succeeded 2 partial, platform, chunker id, [root ...]] */
export function encodeManifestHeader(header: ManifestHeader): Buffer {
  writer.begin();
  writer.array(FIELDS);
  writer.uint(VERSION);
  writer.bytesOf(uuidToBytes(header.runId));
  if (header.parentRunId === null) writer.null();
  else writer.bytesOf(uuidToBytes(header.parentRunId));
  writer.bytesOf(uuidToBytes(header.taskId));
  writer.uint(header.number);
  writer.uint(header.stampMs);
  writer.uint(OUTCOMES.indexOf(header.outcome) + 1);
  if (Buffer.byteLength(header.platform) > MAX_TEXT_BYTES) throw new InvalidError('platform is too long');
  writer.text(header.platform);
  if (!isKnownChunker(header.chunkerId)) throw new InvalidError(`chunker "${header.chunkerId}" is not known`);
  writer.text(header.chunkerId);
  writer.array(header.roots.length);
  for (const root of header.roots) writer.bytesOf(parsePath(root));
  return writer.take();
}

/** Throws CorruptError; UnsupportedError for another version or chunker. Roots are views. */
export function decodeManifestHeader(bytes: Uint8Array, place: string): ManifestHeader {
  const reader = new CborReader(bytes, place);
  const fields = reader.arrayOfAny(1);
  const version = reader.uint();
  if (version !== VERSION) throw new UnsupportedError(place, `manifest version ${version}`);
  if (fields !== FIELDS) reader.fail(`a manifest header of ${fields} fields`);
  const runId = readUuid(reader, place);
  const parentRunId = reader.takeNull() ? null : readUuid(reader, place);
  const taskId = readUuid(reader, place);
  const number = reader.uint();
  const stampMs = reader.uint();
  const outcome = OUTCOMES[reader.uint(OUTCOMES.length) - 1] ?? reader.fail('outcome 0');
  const platform = reader.text(MAX_TEXT_BYTES);
  const chunkerId = reader.text(MAX_TEXT_BYTES);
  if (!isKnownChunker(chunkerId)) throw new UnsupportedError(place, `chunker "${chunkerId}"`);
  const roots = readRoots(reader);
  reader.end();
  return { runId, parentRunId, taskId, number, stampMs, outcome, platform, chunkerId, roots };
}

/** Opens a manifest for one reading. Its changes stand in no particular order. */
export function openManifest(
  source: AsyncIterable<Uint8Array>,
  place: string,
): Promise<OpenStream<ManifestHeader, Change>> {
  return openStream(source, place, {
    type: 'manifest',
    decodeHeader: decodeManifestHeader,
    decodeRecord: decodeChange,
  });
}

/** Key in storage of a run's manifest. */
export function manifestKey(taskId: string, number: number, runId: string): string {
  return `tasks/${taskId}/run-${number}-${runId}`;
}

/** Key in storage of the record that a run is void: its manifest, should there be one, does not count. */
export function voidKey(taskId: string, number: number, runId: string): string {
  return `tasks/${taskId}/void-${number}-${runId}`;
}

function readUuid(reader: CborReader, place: string): string {
  return uuidFromBytes(reader.bytesOf(UUID_BYTES, UUID_BYTES), place);
}

function readRoots(reader: CborReader): Buffer[] {
  const count = reader.arrayOfAny(2);
  const roots: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const root = reader.bytesOf(1, MAX_PATH_BYTES);
    const problem = pathProblem(root);
    if (problem !== null) reader.fail(`a root ${problem}`);
    roots.push(root);
  }
  return roots;
}
