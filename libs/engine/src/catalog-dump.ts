import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { UnsupportedError } from './errors';
import { type OpenStream, openStream } from './open-stream';
import { decodeTableRows, type TableRows, type TableShape } from './table-rows';
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid';

/**
 * A catalog dump holds the rows of the server's database as they were at one moment, in a form that says nothing of which
 * database it was: it is put back into SQLite or PostgreSQL. A record stream of type `catalog`: this header, then the rows,
 * some hundred to a record, table by table in the header's order (docs/format.md).
 */
export interface CatalogHeader {
  readonly repositoryId: string;
  readonly dumpId: string;
  /** Server's clock, milliseconds since 1970; rises from dump to dump of a storage. */
  readonly madeMs: number;
  /** Newest stamp of a run that the database knew of; 0: none. */
  readonly newestStampMs: number;
  /** Name of the newest migration that the database had. */
  readonly level: string;
  readonly tables: readonly DumpedTable[];
}

export interface DumpedTable extends TableShape {
  /** How many rows the dump has. */
  readonly rows: number;
  /** Highest number that the table gave to a row, gone ones too; null: it gives none. */
  readonly lastNo: number | null;
}

const VERSION = 1;
const MAX_NAME_BYTES = 256;
const KINDS = ['int', 'text', 'bytes'] as const;
const STAMP_DIGITS = 16;
const KEY = new RegExp(`^catalog/([0-9]{${STAMP_DIGITS}})-`);
const writer = new CborWriter();

/** [1, repository, dump, made ms, newest stamp ms, level, [[name, rows, last no | null, [[column, kind] ...]] ...]] */
export function encodeCatalogHeader(header: CatalogHeader): Buffer {
  writer.begin();
  writer.array(7);
  writer.uint(VERSION);
  writer.bytesOf(uuidToBytes(header.repositoryId));
  writer.bytesOf(uuidToBytes(header.dumpId));
  writer.uint(header.madeMs);
  writer.uint(header.newestStampMs);
  writer.text(header.level);
  writer.array(header.tables.length);
  for (const { name, rows, lastNo, columns } of header.tables) {
    writer.array(4);
    writer.text(name);
    writer.uint(rows);
    if (lastNo === null) writer.null();
    else writer.uint(lastNo);
    writer.array(columns.length);
    for (const column of columns) {
      writer.array(2);
      writer.text(column.name);
      writer.uint(KINDS.indexOf(column.kind));
    }
  }
  return writer.take();
}

/** Throws CorruptError; UnsupportedError for another version. */
function decodeCatalogHeader(bytes: Uint8Array, place: string): CatalogHeader {
  const reader = new CborReader(bytes, place);
  const fields = reader.arrayOfAny(1);
  const version = reader.uint();
  if (version !== VERSION) throw new UnsupportedError(place, `catalog dump version ${version}`);
  if (fields !== 7) reader.fail(`a catalog header of ${fields} fields`);
  const repositoryId = uuidFromBytes(reader.bytesOf(UUID_BYTES, UUID_BYTES), place);
  const dumpId = uuidFromBytes(reader.bytesOf(UUID_BYTES, UUID_BYTES), place);
  const madeMs = reader.uint();
  const newestStampMs = reader.uint();
  const level = reader.text(MAX_NAME_BYTES);
  const tables = readMany(reader, readTable);
  reader.end();
  return { repositoryId, dumpId, madeMs, newestStampMs, level, tables };
}

/** Opens a dump for one reading. Rows come in the header's order of tables; their counts are the header's, or it is corrupt. */
export async function openCatalogDump(
  source: AsyncIterable<Uint8Array>,
  place: string,
): Promise<OpenStream<CatalogHeader, TableRows>> {
  let shapes: readonly TableShape[] = [];
  const { header, records } = await openStream(source, place, {
    type: 'catalog',
    decodeHeader: (bytes, at) => {
      const decoded = decodeCatalogHeader(bytes, at);
      shapes = decoded.tables;
      return decoded;
    },
    decodeRecord: (bytes, at) => decodeTableRows(bytes, shapes, at),
  });
  return { header, records: inOrder(header, records, place) };
}

async function* inOrder(
  { tables }: CatalogHeader,
  records: AsyncGenerator<TableRows, void, undefined>,
  place: string,
): AsyncGenerator<TableRows, void, undefined> {
  const counts = tables.map(() => 0);
  let at = 0;
  for await (const record of records) {
    if (record.table < at) fail(place, 'rows of a table that was over');
    at = record.table;
    counts[at] = (counts[at] ?? 0) + record.rows.length;
    yield record;
  }
  for (const [position, { name, rows }] of tables.entries()) {
    if (counts[position] !== rows) fail(place, `${counts[position] ?? 0} rows of ${name} where ${rows} belong`);
  }
}

function fail(place: string, what: string): never {
  return new CborReader(Buffer.alloc(0), place).fail(what);
}

/** Key in storage; in byte order of keys the newest dump is the last. */
export function catalogDumpKey(madeMs: number, dumpId: string): string {
  return `catalog/${String(madeMs).padStart(STAMP_DIGITS, '0')}-${dumpId}`;
}

/** When the dump of this key was made, ms; null: no key of a dump. */
export function catalogDumpMadeMs(key: string): number | null {
  const digits = KEY.exec(key)?.[1];
  return digits === undefined ? null : Number(digits);
}

function readTable(reader: CborReader): DumpedTable {
  reader.array(4);
  const name = reader.text(MAX_NAME_BYTES);
  const rows = reader.uint();
  const lastNo = reader.takeNull() ? null : reader.uint();
  const columns = readMany(reader, (of) => {
    of.array(2);
    const column = of.text(MAX_NAME_BYTES);
    return { name: column, kind: KINDS[of.uint(KINDS.length - 1)] ?? of.fail('an unknown kind of column') };
  });
  if (columns.length === 0) reader.fail('a table without columns');
  for (const word of [name, ...columns.map((column) => column.name)]) {
    // They become part of statements.
    if (!/^[a-z][a-z0-9_]*$/.test(word)) reader.fail('a name that no table or column has');
  }
  return { name, rows, lastNo, columns };
}

function readMany<T>(reader: CborReader, read: (reader: CborReader) => T): T[] {
  const count = reader.arrayOfAny(1);
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read(reader));
  return items;
}
