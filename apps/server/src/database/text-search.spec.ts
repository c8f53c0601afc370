import { eachDatabase, type TestDatabase } from './testing';
import { beginsWithText, foldCase, holdsText } from './text-search';

/** Letters of all scripts that have capitals and that fonts of the last twenty years know. */
const BLOCKS = [
  ...[
    [0x20, 0x586],
    [0x13a0, 0x13ff],
    [0x1e00, 0x1fff],
    [0x2160, 0x217f],
    [0x24b6, 0x24e9],
    [0x2c80, 0x2cff],
  ],
  ...[
    [0xff21, 0xff5a],
    [0x10400, 0x1044f],
  ],
] as const;
const LETTERS = BLOCKS.flatMap(([from = 0, to = 0]) =>
  Array.from({ length: to - from + 1 }, (_, at) => String.fromCodePoint(from + at)),
);

eachDatabase('a search for text', (open) => {
  let db: TestDatabase;

  beforeAll(async () => {
    db = await open();
  });

  const isFound = async (text: string | null, wanted: string, how: 'holds' | 'begins' = 'holds'): Promise<boolean> =>
    db.database.read(async (sql) => {
      const { condition, params } =
        how === 'holds' ? holdsText(sql, ['t.text'], wanted) : beginsWithText(sql, 't.text', wanted);
      const rows = await sql.all(
        `with t as (select cast(? as text) as text) select 1 as one from t where ${condition}`,
        [text, ...params],
      );
      return rows.length === 1;
    });

  it('folds every letter as the server itself does', async () => {
    const rows = await db.database.read((sql) =>
      sql.allWith<{ text: string; folded: string }>(
        { columns: [{ name: 'text', type: 'text' }], rows: LETTERS.map((text) => [text]) },
        `select text, ${sql.folded('text')} as folded from input order by n`,
      ),
    );
    expect(rows).toHaveLength(LETTERS.length);
    expect(rows.filter(({ text, folded }) => folded !== foldCase(text))).toEqual([]);
  });

  it.each([
    ['ÜBUNG', 'übung'],
    ['Straße', 'STRAß'],
    ['ΟΔΟΣ ΟΔΟΣΑ', 'οδος'],
    ['οδοσα', 'ΟΔΟΣ'],
    ['Резервная копия', 'КОПИЯ'],
    ['İstanbul', 'i̇STANBUL'],
    ['plain ASCII', 'N asc'],
    ['100% of_it', '% OF_'],
    [String.raw`C:\Users`, String.raw`c:\u`],
    ['a\u{10400}b', '\u{10428}'],
    ['two\nlines', 'O\nL'],
    ['', ''],
  ])('finds in %j what holds %j', async (text, wanted) => {
    expect(await isFound(text, wanted)).toBe(true);
  });

  it.each([
    ['ubung', 'übung'],
    ['100 of it', '%'],
    ['ofXit', 'of_it'],
    ['Users', String.raw`\U`],
    ['short', 'shorter'],
    [null, 'null'],
  ])('finds nothing in %j of %j', async (text, wanted) => {
    expect(await isFound(text, wanted)).toBe(false);
  });

  it('tells the beginning from the rest', async () => {
    expect([await isFound('Ärger', 'ä', 'begins'), await isFound('kein Ärger', 'ä', 'begins')]).toEqual([true, false]);
  });
});
