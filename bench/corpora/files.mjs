import {
  closeSync,
  futimesSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { rareWord } from './words.mjs';

/** When the files were last changed: within the five years before, to the microsecond, as metadata of real trees is. */
const NEWEST_SECONDS = Date.UTC(2026, 9, 1) / 1_000;
const SPAN_SECONDS = 5 * 365 * 86_400;

/** Makes a file that must not exist yet, with an old time. */
export function makeFile(random, path, content, mode = 0o644) {
  const file = openSync(path, 'wx', mode);
  const time = NEWEST_SECONDS - random.fraction() * SPAN_SECONDS;
  if (content.length > 0) writeSync(file, content);
  futimesSync(file, time, time);
  closeSync(file);
}

/** All files (no links, no folders) below a folder, in an order that does not depend on the file system. */
export function filesBelow(folder) {
  const paths = [];
  const pending = [folder];
  while (pending.length > 0) {
    const path = pending.pop();
    // One folder at a time: Node's own recursive listing goes through links to folders.
    for (const item of readdirSync(path, { withFileTypes: true })) {
      if (item.isDirectory()) pending.push(join(path, item.name));
      else if (item.isFile()) paths.push(join(path, item.name));
    }
  }
  return paths.sort();
}

/** Edits a text file: some text inserted, replaced or appended, in place or, as editors do, beside it and moved over. */
export function editFile(random, path, text) {
  const before = readFileSync(path);
  const at = random.below(before.length + 1);
  const skipped = random.pick([0, 0, text.length]);
  const after =
    random.below(3) === 0
      ? Buffer.concat([before, Buffer.from(text)])
      : Buffer.concat([before.subarray(0, at), Buffer.from(text), before.subarray(at + skipped)]);
  if (random.happens(0.5)) writeFileSync(path, after);
  else {
    writeFileSync(`${path}.new`, after);
    renameSync(`${path}.new`, path);
  }
}

/** Gives one of the folders right below this one a new name. */
export function renameOneFolder(random, folder) {
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((item) => item.isDirectory())
    .map((item) => item.name)
    .sort();
  const name = random.pick(names);
  renameSync(join(folder, name), join(folder, `${rareWord(random)}-was-${name}`.slice(0, 100)));
}
