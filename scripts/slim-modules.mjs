// For the images: takes out of node_modules what no running server or agent reads (two thirds of it): type declarations, source maps,
// sources of native modules, and their binaries for other machines. Licenses stay. Fails when what is left cannot be loaded: the agent does without a library that is broken, and says so on each run only.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const ROOT = process.argv[2] ?? 'node_modules';
const UNREAD = /\.(d\.[cm]?ts|map|md|markdown|cc|hh|inc|asm)$/i;
const FOLDERS = ['better-sqlite3/deps', 'better-sqlite3/src', 'koffi/vendor', 'typeorm/browser'];
const OWN = `${process.platform}-${process.arch}.node`;

for (const item of readdirSync(ROOT, { recursive: true, withFileTypes: true })) {
  const isForeign = item.parentPath.endsWith('better-sqlite3/prebuilds') && item.name !== OWN;
  const isUnread = UNREAD.test(item.name) && !/licen[cs]e|notice/i.test(item.name);
  if (item.isFile() && (isForeign || isUnread)) rmSync(join(item.parentPath, item.name));
}
for (const folder of FOLDERS) rmSync(join(ROOT, folder), { recursive: true, force: true });

const load = createRequire(join(resolve(ROOT), 'from-here.js'));
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
for (const name of Object.keys(dependencies)) load(name);
// Its native part is loaded by the first use only.
const Sqlite = load('better-sqlite3');
new Sqlite(':memory:').close();
