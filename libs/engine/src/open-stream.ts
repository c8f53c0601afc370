import { decodeRecordStream } from './record-stream';
import type { RecordStreamType } from './record-frame';
import { CorruptError } from './errors';

/** What a record stream says first, and the records after it. */
export interface OpenStream<H, R> {
  readonly header: H;
  /** To be read once, to the end: only then the whole is verified. */
  readonly records: AsyncGenerator<R, void, undefined>;
}

export interface StreamForm<H, R> {
  readonly type: RecordStreamType;
  readonly decodeHeader: (bytes: Buffer, place: string) => H;
  readonly decodeRecord: (bytes: Buffer, place: string) => R;
}

/** Opens a record stream whose first record is a header. Throws CorruptError, UnsupportedError. */
export async function openStream<H, R>(
  source: AsyncIterable<Uint8Array>,
  place: string,
  form: StreamForm<H, R>,
): Promise<OpenStream<H, R>> {
  const stream = decodeRecordStream(source, form.type, place);
  const first = await stream.next();
  if (first.done === true) throw new CorruptError(`${place}, record 1`, 'the header record is missing');
  try {
    const header = form.decodeHeader(first.value, `${place}, record 1`);
    return { header, records: decodeRest(stream, place, form) };
  } catch (error) {
    await stream.return();
    throw error;
  }
}

async function* decodeRest<H, R>(
  stream: AsyncIterable<Buffer>,
  place: string,
  form: StreamForm<H, R>,
): AsyncGenerator<R, void, undefined> {
  let number = 1;
  for await (const bytes of stream) {
    number++;
    yield form.decodeRecord(bytes, `${place}, record ${number}`);
  }
}
