import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { CHUNKER_ID, isKnownChunker } from './chunker';
import { UnsupportedError } from './errors';
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid';

/**
 * The index file of a task: a record stream of type `index`. Its first record names the committed run that it shows,
 * then come the entries of that run with their detection data, in walk order.
 */
export interface IndexHeader {
  /** UUID of the run that the index shows; null before the task's first. */
  readonly head: string | null;
  /** The task's generation then. When head or generation differ from the server's, the index is worthless. */
  readonly generation: number;
  readonly taskId: string;
}

const VERSION = 1;
const MAX_CHUNKER_ID_BYTES = 64;
const writer = new CborWriter();

/** [1, head UUID | null, generation, task UUID, chunker id] */
export function encodeIndexHeader(header: IndexHeader): Buffer {
  writer.begin();
  writer.array(5);
  writer.uint(VERSION);
  if (header.head === null) writer.null();
  else writer.bytesOf(uuidToBytes(header.head));
  writer.uint(header.generation);
  writer.bytesOf(uuidToBytes(header.taskId));
  writer.text(CHUNKER_ID);
  return writer.take();
}

/** Throws CorruptError; UnsupportedError for another version or chunker. */
export function decodeIndexHeader(bytes: Uint8Array, place: string): IndexHeader {
  const reader = new CborReader(bytes, place);
  const fields = reader.arrayOfAny(1);
  const version = reader.uint();
  if (version !== VERSION) throw new UnsupportedError(place, `index version ${version}`);
  if (fields !== 5) reader.fail(`an index header of ${fields} fields`);
  const head = reader.takeNull() ? null : uuidFromBytes(reader.bytesOf(UUID_BYTES, UUID_BYTES), place);
  const generation = reader.uint();
  const taskId = uuidFromBytes(reader.bytesOf(UUID_BYTES, UUID_BYTES), place);
  const chunkerId = reader.text(MAX_CHUNKER_ID_BYTES);
  if (!isKnownChunker(chunkerId)) throw new UnsupportedError(place, `chunker "${chunkerId}"`);
  reader.end();
  return { head, generation, taskId };
}
