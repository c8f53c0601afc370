import { randomBytes } from 'node:crypto';
import { joinedBytes } from './dialect';
import { eachDatabase } from './testing';

eachDatabase('bytes that are joined', (open) => {
  it('are those of the columns, whatever they are, one after the other', async () => {
    const test = await open();
    const parts = [
      [Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0)],
      [Buffer.from([0]), Buffer.from([0, 0]), Buffer.alloc(0)],
      [Buffer.from('text'), Buffer.from([0xff, 0xfe, 0x00, 0xc3]), Buffer.from([0x28, 0x80])],
      ...Array.from({ length: 200 }, (_, n) => [randomBytes(n % 7), randomBytes(n), randomBytes(n % 3)]),
    ];
    const rows = await test.database.read((sql) =>
      sql.allWith<{ n: number; bytes: Buffer; first: number; second: number }>(
        { columns: ['a', 'b', 'c'].map((name) => ({ name, type: 'bytes' as const })), rows: parts },
        `select n, ${joinedBytes(sql.dialect, ['a', 'b', 'c'])} as bytes, length(a) as first, length(b) as second
         from input order by n`,
      ),
    );
    expect(rows).toHaveLength(parts.length);
    for (const { n, bytes, first, second } of rows) {
      const split = [bytes.subarray(0, first), bytes.subarray(first, first + second), bytes.subarray(first + second)];
      expect(split.map((part) => part.toString('hex'))).toEqual(parts[n]?.map((part) => part.toString('hex')));
    }
  });
});
