import fc from 'fast-check';
import { Client } from 'pg';
import { binaryArray } from './postgres-arrays';
import type { ColumnType, Value } from './sql';
import { createPostgresDatabase } from './testing';

describe('binaryArray', () => {
  let client: Client;
  let drop: () => Promise<void>;
  beforeAll(async () => {
    const database = await createPostgresDatabase();
    drop = database.drop;
    client = new Client({ connectionString: database.url });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await drop();
  });

  const TYPES: Readonly<Record<ColumnType, string>> = { int: 'bigint', text: 'text', bytes: 'bytea' };

  /** What PostgreSQL finds in the array: integers as text. */
  async function read(type: ColumnType, values: readonly Value[]): Promise<unknown[]> {
    const { rows } = await client.query<{ v: unknown }>(
      `select v from unnest($1::${TYPES[type]}[]) with ordinality as t(v, n) order by n`,
      [binaryArray(type, values)],
    );
    return rows.map(({ v }) => v);
  }

  const nullable = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<(T | null)[]> => fc.array(fc.option(of, { freq: 4 }));

  it('is read by PostgreSQL as the values that it was made of', async () => {
    const integers = fc.oneof(
      fc.maxSafeInteger(),
      fc.integer(),
      fc.constantFrom(0, -1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 32), -(2 ** 32) - 1, Number.MAX_SAFE_INTEGER),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    );
    const texts = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
    await fc.assert(
      fc.asyncProperty(nullable(integers), nullable(texts), nullable(fc.uint8Array()), async (ints, text, bytes) => {
        expect(await read('int', ints)).toEqual(ints.map((value) => value?.toString() ?? null));
        expect(await read('text', text)).toEqual(text);
        const buffers = bytes.map((value) => (value === null ? null : Buffer.from(value)));
        expect(await read('bytes', buffers)).toEqual(buffers);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['int', 0.5],
    ['int', 2 ** 53],
    ['int', Number.NaN],
    ['int', '1'],
    ['text', 1],
    ['text', Buffer.from('a')],
    ['bytes', 'a'],
  ] as const)('refuses for a column of %s the value %p', (type, value) => {
    expect(() => binaryArray(type, [value])).toThrow();
  });
});
