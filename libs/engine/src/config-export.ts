import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { type ConfigRecord, decodeConfigRecord } from './config-record';
import { UnsupportedError } from './errors';
import { type OpenStream, openStream } from './open-stream';
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid';

/**
 * A config export says who may do what, and what is backed up when: users, clients, tasks, policies and pins as the
 * database has them, so that storage alone knows, and an older catalog that is brought back learns whom it must not believe
 * any more. Secrets are in it as the hashes that the database keeps. A record stream of type `config`: this header, then
 * one record a row. Of two exports the one with the larger number is the newer one, whole by itself.
 */
export interface ConfigHeader {
  readonly repositoryId: string;
  readonly number: number;
  /** Server's clock, milliseconds since 1970. */
  readonly madeMs: number;
}

const VERSION = 1;
const NUMBER_DIGITS = 16;
const KEY = new RegExp(`^config/([0-9]{${NUMBER_DIGITS}})-`);
const writer = new CborWriter();

/** [1, repository, number, made ms] */
export function encodeConfigHeader(header: ConfigHeader): Buffer {
  writer.begin();
  writer.array(4);
  writer.uint(VERSION);
  writer.bytesOf(uuidToBytes(header.repositoryId));
  writer.uint(header.number);
  writer.uint(header.madeMs);
  return writer.take();
}

/** Throws CorruptError; UnsupportedError for another version. */
function decodeConfigHeader(bytes: Uint8Array, place: string): ConfigHeader {
  const reader = new CborReader(bytes, place);
  const fields = reader.arrayOfAny(1);
  const version = reader.uint();
  if (version !== VERSION) throw new UnsupportedError(place, `config export version ${version}`);
  if (fields !== 4) reader.fail(`a config header of ${fields} fields`);
  const repositoryId = uuidFromBytes(reader.bytesOf(UUID_BYTES, UUID_BYTES), place);
  const number = reader.uint();
  const madeMs = reader.uint();
  reader.end();
  return { repositoryId, number, madeMs };
}

export function openConfigExport(
  source: AsyncIterable<Uint8Array>,
  place: string,
): Promise<OpenStream<ConfigHeader, ConfigRecord>> {
  return openStream(source, place, {
    type: 'config',
    decodeHeader: decodeConfigHeader,
    decodeRecord: decodeConfigRecord,
  });
}

/** Key in storage; in byte order of keys the newest export is the last. */
export function configKey(number: number, exportId: string): string {
  return `config/${String(number).padStart(NUMBER_DIGITS, '0')}-${exportId}`;
}

/** The export's number; null: no key of an export. */
export function configNumber(key: string): number | null {
  const digits = KEY.exec(key)?.[1];
  return digits === undefined ? null : Number(digits);
}
