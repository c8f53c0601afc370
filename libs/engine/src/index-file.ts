import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { CHUNKER_ID } from './chunker';
import { CorruptError, UnsupportedError } from './errors';
import { type OpenStream, openStream } from './open-stream';
import { comparePaths } from './path';
import { decodeIndexRecord, type IndexRecord } from './records';
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
  if (chunkerId !== CHUNKER_ID) throw new UnsupportedError(place, `chunker "${chunkerId}"`);
  reader.end();
  return { head, generation, taskId };
}

/**
 * Opens an index for one reading, front to back. The records are views into 1 MiB frames. Whoever uses a record
 * before the end was reached must be ready for a CorruptError later (then the whole index is fetched anew).
 */
export async function openIndex(
  source: AsyncIterable<Uint8Array>,
  place: string,
): Promise<OpenStream<IndexHeader, IndexRecord>> {
  const { header, records } = await openStream(source, place, {
    type: 'index',
    decodeHeader: decodeIndexHeader,
    decodeRecord: decodeIndexRecord,
  });
  return { header, records: inWalkOrder(records, place) };
}

async function* inWalkOrder(
  records: AsyncIterable<IndexRecord>,
  place: string,
): AsyncGenerator<IndexRecord, void, undefined> {
  let previous: Buffer | null = null;
  let number = 1;
  for await (const record of records) {
    number++;
    if (previous !== null && comparePaths(previous, record.path) >= 0) {
      throw new CorruptError(`${place}, record ${number}`, 'paths are not in walk order');
    }
    previous = record.path;
    yield record;
  }
}
