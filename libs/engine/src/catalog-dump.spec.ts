import { collect, cuts, damageOfAsync, flips, inPieces } from '../golden/damage';
import { golden } from '../golden/golden';
import {
  catalogDumpKey,
  catalogDumpMadeMs,
  type CatalogHeader,
  encodeCatalogHeader,
  openCatalogDump,
} from './catalog-dump';
import { CorruptError, InvalidError } from './errors';
import { RecordStreamEncoder } from './record-stream';
import { type DumpedValue, TableRowsEncoder } from './table-rows';

const tables = [
  {
    name: 'settings',
    rows: 2,
    lastNo: null,
    columns: [
      { name: 'name', kind: 'text' },
      { name: 'value', kind: 'text' },
    ],
  },
  {
    name: 'chunks',
    rows: 3,
    lastNo: 12,
    columns: [
      { name: 'no', kind: 'int' },
      { name: 'id', kind: 'bytes' },
    ],
  },
] as const;
const header: CatalogHeader = {
  repositoryId: '01234567-89ab-4cde-8f01-23456789abcd',
  dumpId: 'fedcba98-7654-4321-8fed-cba987654321',
  madeMs: 1_795_000_000_123,
  newestStampMs: 1_794_999_999_999,
  level: 'FirstTables1795000000001',
  tables,
};
const rows: DumpedValue[][][] = [
  [
    ['a', 'ä\n'],
    ['b', null],
  ],
  [
    [-7, Buffer.of(1, 2, 3)],
    [Number.MAX_SAFE_INTEGER, Buffer.alloc(0)],
    [-Number.MAX_SAFE_INTEGER, null],
  ],
];

function encode(all: DumpedValue[][][], of: CatalogHeader = header, form: 'plain' | 'compressed' = 'plain'): Buffer {
  const encoder = new RecordStreamEncoder('catalog', form);
  const parts = [encoder.add(encodeCatalogHeader(of))];
  for (const [table, own] of all.entries()) {
    const encoded = new TableRowsEncoder(table, of.tables[table]?.columns ?? []);
    for (const row of own) {
      const full = encoded.add(row);
      if (full !== null) parts.push(encoder.add(full));
    }
    const last = encoded.finish();
    if (last !== null) parts.push(encoder.add(last));
  }
  return Buffer.concat([...parts.filter((part) => part !== null), encoder.finish()]);
}

async function read(bytes: Buffer): Promise<{ header: CatalogHeader; rows: DumpedValue[][][] }> {
  const opened = await openCatalogDump(inPieces(bytes), 'dump');
  const found = opened.header.tables.map((): DumpedValue[][] => []);
  for (const record of await collect(opened.records)) {
    for (const row of record.rows) found[record.table]?.push([...row]);
  }
  return { header: opened.header, rows: found };
}

describe('a catalog dump', () => {
  const file = encode(rows);

  it('is written as it always was', async () => {
    expect(file).toEqual(golden('catalog-dump.bin', () => file));
    expect(await read(file)).toEqual({ header, rows });
    expect(await read(encode(rows, header, 'compressed'))).toEqual({ header, rows });
  });

  it('has a key whose order is that of time', () => {
    const key = catalogDumpKey(header.madeMs, header.dumpId);
    expect(key).toBe(`catalog/0001795000000123-${header.dumpId}`);
    expect(catalogDumpMadeMs(key)).toBe(header.madeMs);
    expect(catalogDumpMadeMs('config/0000000000000001-x')).toBeNull();
    expect(catalogDumpKey(9, 'x') < catalogDumpKey(10, 'x')).toBe(true);
  });

  it('keeps rows that fill many records', async () => {
    const many = Array.from({ length: 5_000 }, (_, at): DumpedValue[] => [at, Buffer.alloc(64, at)]);
    const counted = { ...header, tables: [tables[0], { ...tables[1], rows: many.length }] };
    expect((await read(encode([rows[0] ?? [], many], counted))).rows[1]).toEqual(many);
  });

  it('tells every damage', async () => {
    for (const bytes of [...cuts(file), ...[...flips(file)].map(({ damaged }) => damaged)])
      expect(await damageOfAsync(() => read(bytes))).not.toBeNull();
  });

  it.each([
    ['a row too few', [rows[0] ?? [], (rows[1] ?? []).slice(1)], header],
    ['a table that is missing', [rows[0] ?? []], header],
    ['a name that would be a statement', rows, { ...header, tables: [{ ...tables[0], name: 'x; drop' }, tables[1]] }],
    ['a table without columns', rows.slice(1), { ...header, tables: [{ ...tables[0], columns: [] }] }],
  ])('refuses %s', async (_, all, of) => {
    await expect(read(encode(all, of))).rejects.toThrow(CorruptError);
  });

  it('refuses rows of a table that was over', async () => {
    const encoder = new RecordStreamEncoder('catalog');
    const record = (table: number): Buffer => {
      const encoded = new TableRowsEncoder(table, tables[table]?.columns ?? []);
      encoded.add(rows[table]?.[0] ?? []);
      return encoded.finish() ?? Buffer.alloc(0);
    };
    const parts = [encodeCatalogHeader(header), record(1), record(0)].map((bytes) => encoder.add(bytes));
    const bytes = Buffer.concat([...parts.filter((part) => part !== null), encoder.finish()]);
    await expect(read(bytes)).rejects.toThrow('rows of a table that was over');
  });

  it.each([
    ['text where a number belongs', 1, ['x', null]],
    ['a number that is not whole', 1, [1.5, null]],
    ['a number beyond 2^53', 1, [2 ** 53, null]],
    ['bytes where text belongs', 0, [Buffer.alloc(1), null]],
  ] as [string, number, DumpedValue[]][])('writes no %s', (_, table, row) => {
    expect(() => new TableRowsEncoder(table, tables[table]?.columns ?? []).add(row)).toThrow(InvalidError);
  });
});
