import { closeSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { sentence, timestamp } from './text.mjs';
import { rareWord, word } from './words.mjs';

const DUMP = 'shop.sql';
const PIECE_BYTES = 1_024 * 1_024;
const ROWS_IN_STATEMENT = 60;

/** Table by table, as dumps are; `share` of the bytes. */
const TABLES = [
  {
    name: 'customers',
    share: 0.15,
    columns: 'id bigint PRIMARY KEY, email varchar(255), name varchar(255), created_at timestamp, token char(32)',
    row: (random, id) =>
      `(${id},'${word(random)}.${rareWord(random)}@example.org','${rareWord(random)} ${rareWord(random)}','${timestamp(random)}','${random.hex(32)}')`,
  },
  {
    name: 'orders',
    share: 0.3,
    columns: 'id bigint PRIMARY KEY, customer bigint, total decimal(10,2), state varchar(16), placed_at timestamp',
    row: (random, id) =>
      `(${id},${random.below(400_000)},${random.below(1_000_000) / 100},'${random.pick(['open', 'paid', 'sent', 'closed'])}','${timestamp(random)}')`,
  },
  {
    name: 'articles',
    share: 0.25,
    columns: 'id bigint PRIMARY KEY, slug varchar(255), title text, body text, price decimal(10,2)',
    row: (random, id) =>
      `(${id},'${rareWord(random)}-${rareWord(random)}','${sentence(random)}','${sentence(random)} ${sentence(random)} ${sentence(random)}',${random.below(100_000) / 100})`,
  },
  {
    name: 'events',
    share: 0.3,
    columns:
      'id bigint PRIMARY KEY, kind varchar(32), customer bigint, address varchar(45), payload text, at timestamp',
    row: (random, id) =>
      `(${id},'${random.pick(['view', 'click', 'search', 'login', 'logout'])}',${random.below(400_000)},'10.${random.below(256)}.${random.below(256)}.${random.below(256)}','{"session": "${random.hex(16)}", "path": "/${word(random)}/${word(random)}"}','${timestamp(random)}')`,
  },
];

export const databaseDump = {
  name: 'database-dump',
  title: 'A database dump: one file of SQL',

  make(folder, random, { dumpBytes }) {
    const file = openSync(join(folder, DUMP), 'wx');
    writeSync(file, `-- Dump of the database shop\nSET client_encoding = 'UTF8';\n\n`);
    for (const table of TABLES) {
      writeSync(file, `CREATE TABLE ${table.name} (${table.columns});\n`);
      let id = 1;
      for (let bytes = 0; bytes < dumpBytes * table.share;) {
        let text = '';
        while (text.length < PIECE_BYTES) {
          text += makeInsert(random, table, id);
          id += ROWS_IN_STATEMENT;
        }
        bytes += writeSync(file, text);
      }
    }
    closeSync(file);
  },

  /** The next night's dump: a new file with statements changed, left out and added here and there, most at the end. */
  change(folder, random) {
    const from = openSync(join(folder, DUMP), 'r');
    const to = openSync(join(folder, `${DUMP}.new`), 'wx');
    const piece = Buffer.alloc(PIECE_BYTES);
    let rest = '';
    let id = 1_000_000_000;
    for (let bytes; (bytes = readSync(from, piece)) > 0;) {
      let text = rest + piece.latin1Slice(0, bytes);
      rest = text.slice(text.lastIndexOf('\n') + 1);
      text = text.slice(0, text.length - rest.length);
      if (random.happens(0.2)) text = changeStatement(random, text, (id += ROWS_IN_STATEMENT));
      writeSync(to, text, null, 'latin1');
    }
    for (let n = 0; n < 200; n += 1) rest += makeInsert(random, TABLES[3], (id += ROWS_IN_STATEMENT));
    writeSync(to, rest, null, 'latin1');
    closeSync(from);
    closeSync(to);
    renameSync(join(folder, `${DUMP}.new`), join(folder, DUMP));
  },
};

function makeInsert(random, { name, row }, firstId) {
  let text = `INSERT INTO ${name} VALUES ${row(random, firstId)}`;
  for (let n = 1; n < ROWS_IN_STATEMENT; n += 1) text += `,${row(random, firstId + n)}`;
  return `${text};\n`;
}

function changeStatement(random, text, id) {
  const start = text.indexOf('\n', random.below(text.length)) + 1;
  const end = text.indexOf('\n', start) + 1;
  if (start === 0 || end === 0) return text;
  switch (random.below(3)) {
    case 0:
      return text.slice(0, start) + text.slice(end);
    case 1:
      return text.slice(0, start) + makeInsert(random, random.pick(TABLES), id) + text.slice(start);
    default:
      return (
        text.slice(0, start) +
        text.slice(start, end).replaceAll("'open'", "'paid'").replace(/\d{4}/, '9999') +
        text.slice(end)
      );
  }
}
