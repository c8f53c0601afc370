// For the images: takes out of node_modules what no running server or agent reads (two thirds of it): type declarations, source maps,
// sources of native modules, and their binaries for other machines. Licenses stay.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = process.argv[2] ?? 'node_modules';
const UNREAD = /\.(d\.[cm]?ts|map|md|markdown)$/i;
const FOLDERS = ['better-sqlite3/deps', 'better-sqlite3/src', 'koffi/src', 'koffi/vendor', 'typeorm/browser'];
const OWN = `${process.platform}-${process.arch}.node`;

for (const item of readdirSync(ROOT, { recursive: true, withFileTypes: true })) {
  const isForeign = item.parentPath.endsWith('better-sqlite3/prebuilds') && item.name !== OWN;
  const isUnread = UNREAD.test(item.name) && !/licen[cs]e|notice/i.test(item.name);
  if (item.isFile() && (isForeign || isUnread)) rmSync(join(item.parentPath, item.name));
}
for (const folder of FOLDERS) rmSync(join(ROOT, folder), { recursive: true, force: true });
