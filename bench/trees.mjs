import { spawnSync } from 'node:child_process';
import { closeSync, lstatSync, openSync, readSync } from 'node:fs';
import Database from 'better-sqlite3';
import { compareTrees } from '../scripts/compare-trees.mjs';
import { filesBelow } from './corpora/files.mjs';
import { findProgram } from './engines/found.mjs';

const PIECE_BYTES = 4 * 1_024 * 1_024;
const SHOWN = 20;
const LOG_FILES = /-(wal|shm)$/;

/** Reads everything once, so that every engine finds it in the page cache, or finds as little of it there. */
export function warm(folder) {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (const path of filesBelow(folder)) {
    const file = openSync(path, 'r');
    while (readSync(file, piece) === PIECE_BYTES);
    closeSync(file);
  }
}

/** The bytes that a repository takes: the sizes of its files. With `database`, that SQLite file counts as it is after a checkpoint. */
export function storedBytes(folder, database = null) {
  const storage = filesBelow(folder)
    .filter((path) => database === null || path.replace(LOG_FILES, '') !== database)
    .reduce((sum, path) => sum + lstatSync(path).size, 0);
  return { storage, database: database === null ? 0 : databaseBytes(database) };
}

function databaseBytes(path) {
  const database = new Database(path, { readonly: true });
  try {
    return database.pragma('page_count', { simple: true }) * database.pragma('page_size', { simple: true });
  } finally {
    database.close();
  }
}

/** What differs between a source and its restored copy: bytes, links and every attribute. Empty when nothing does. */
export function differences(source, restored) {
  const rsync = findProgram('rsync');
  if (rsync === null) {
    const result = compareTrees(source, restored, { isExcluded: () => false, savedAtMs: Date.now() });
    return {
      judge: 'scripts/compare-trees.mjs',
      count: result.differences.length,
      shown: result.differences.slice(0, SHOWN),
    };
  }
  const options = ['-aHAXn', '--checksum', '--delete', '--itemize-changes'];
  const result = spawnSync(rsync, [...options, `${source}/`, `${restored}/`], { maxBuffer: 1_024 * 1_024 * 1_024 });
  const lines = `${result.stdout}${result.stderr}`.split('\n').filter((line) => line !== '');
  if (result.status !== 0) lines.unshift(`rsync ended with exit code ${result.status}`);
  return { judge: `rsync ${options.join(' ')}`, count: lines.length, shown: lines.slice(0, SHOWN) };
}
