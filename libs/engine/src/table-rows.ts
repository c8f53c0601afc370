import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { InvalidError } from './errors';

/** A column's values: whole numbers within 2^53, text, or bytes; each may be null. */
export interface DumpedColumn {
  readonly name: string;
  readonly kind: 'int' | 'text' | 'bytes';
}

export interface TableShape {
  readonly name: string;
  readonly columns: readonly DumpedColumn[];
}

/** As a database hands it out and takes it. Bytes that were read are views. */
export type DumpedValue = number | string | Buffer | null;

/** Some rows of one table. */
export interface TableRows {
  /** Position of the table in the dump's header. */
  readonly table: number;
  readonly rows: readonly (readonly DumpedValue[])[];
}

/** A record is closed when it has reached this. */
const TARGET_BYTES = 64 * 1024;
const MAX_TEXT_BYTES = 1024 * 1024;

/** Puts rows of one table together into records: [table, row count, value ...], the values of row after row. */
export class TableRowsEncoder {
  private readonly writer = new CborWriter();
  private count = 0;

  constructor(
    private readonly table: number,
    private readonly columns: readonly DumpedColumn[],
  ) {
    this.writer.begin();
  }

  /** A record that is full, or null. Throws InvalidError for a value that is not of its column's kind. */
  add(row: readonly DumpedValue[]): Buffer | null {
    const { columns, writer } = this;
    for (let at = 0; at < columns.length; at++) writeValue(writer, row[at] ?? null, columns[at] as DumpedColumn);
    this.count += 1;
    return writer.size >= TARGET_BYTES ? this.finish() : null;
  }

  /** The last record; null when there are no more rows. */
  finish(): Buffer | null {
    const { count, columns, writer } = this;
    if (count === 0) return null;
    const values = writer.take();
    writer.begin();
    writer.array(2 + count * columns.length);
    writer.uint(this.table);
    writer.uint(count);
    const record = Buffer.concat([writer.take(), values]);
    writer.begin();
    this.count = 0;
    return record;
  }
}

/** Throws CorruptError for what {@link TableRowsEncoder} would not write. */
export function decodeTableRows(bytes: Buffer, tables: readonly TableShape[], place: string): TableRows {
  const reader = new CborReader(bytes, place);
  const items = reader.arrayOfAny(1);
  const table = reader.uint();
  const columns = tables[table]?.columns ?? reader.fail('rows of an unknown table');
  const count = reader.uint();
  if (count === 0 || items !== 2 + count * columns.length) reader.fail(`${items} items are not ${count} rows`);
  const rows: DumpedValue[][] = [];
  for (let row = 0; row < count; row++) rows.push(columns.map(({ kind }) => readValue(reader, kind)));
  reader.end();
  return { table, rows };
}

function writeValue(writer: CborWriter, value: DumpedValue, { name, kind }: DumpedColumn): void {
  if (value === null) writer.null();
  else if (kind === 'int' && typeof value === 'number') writer.integer(value);
  else if (kind === 'text' && typeof value === 'string') writer.text(value);
  else if (kind === 'bytes' && typeof value === 'object') writer.bytesOf(value);
  else throw new InvalidError(`column ${name} holds a ${typeof value} where ${kind} belongs`);
}

function readValue(reader: CborReader, kind: DumpedColumn['kind']): DumpedValue {
  if (reader.takeNull()) return null;
  if (kind === 'int') return reader.integer();
  return kind === 'text' ? reader.text(MAX_TEXT_BYTES) : reader.bytesOf();
}
