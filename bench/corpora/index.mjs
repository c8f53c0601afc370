import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { databaseDump } from './database-dump.mjs';
import { diskImage } from './disk-image.mjs';
import { incompressible } from './incompressible.mjs';
import { Random } from './random.mjs';
import { smallFiles } from './small-files.mjs';
import { sourceTree } from './source-tree.mjs';

const MB = 1_000_000;
const GIB = 1_024 * 1_024 * 1_024;
const CORPORA = [smallFiles, sourceTree, diskImage, databaseDump, incompressible];

export const SCALES = {
  full: {
    smallFiles: 300_000,
    sourceFiles: 25_000,
    imageBytes: 2 * GIB,
    dumpBytes: 1_100 * MB,
    incompressibleBytes: 1_100 * MB,
  },
  quick: {
    smallFiles: 13_500,
    sourceFiles: 1_300,
    imageBytes: GIB / 8,
    dumpBytes: 60 * MB,
    incompressibleBytes: 60 * MB,
  },
};

/** What is measured on its own: `all` is everything below the source folder. */
export const GROUPS = [
  { name: 'all', title: 'All corpora', corpora: CORPORA, folder: '.' },
  { name: 'small-files', title: 'Small files alone', corpora: [smallFiles], folder: smallFiles.name },
];

/** Makes every corpus below `source` and tells what is there. The same seed makes the same bytes. */
export function makeCorpora(source, { seed, scale }) {
  return CORPORA.map((corpus) => {
    const folder = join(source, corpus.name);
    mkdirSync(folder, { recursive: true });
    corpus.make(folder, new Random(`${seed}/${corpus.name}`), scale);
    return { name: corpus.name, title: corpus.title, ...countTree(folder) };
  });
}

/** Lets a day pass in the corpora of a group. `day` numbers the days, so that no two are alike. */
export function changeCorpora(source, group, { seed, scale, day }) {
  for (const corpus of group.corpora)
    corpus.change(join(source, corpus.name), new Random(`${seed}/${corpus.name}/day ${day}`), scale);
}

/** `allocatedBytes` leaves holes out; both count a file with several names once. */
export function countTree(folder) {
  const seen = new Set();
  const count = { files: 0, directories: 0, others: 0, logicalBytes: 0, allocatedBytes: 0 };
  const pending = [folder];
  while (pending.length > 0) {
    const path = pending.pop();
    count.directories += 1;
    for (const item of readdirSync(path, { withFileTypes: true })) {
      const inside = join(path, item.name);
      if (item.isDirectory()) pending.push(inside);
      else if (!item.isFile()) count.others += 1;
      else {
        count.files += 1;
        const stats = lstatSync(inside);
        if (stats.nlink > 1 && seen.has(stats.ino)) continue;
        if (stats.nlink > 1) seen.add(stats.ino);
        count.logicalBytes += stats.size;
        count.allocatedBytes += Math.min(stats.size, stats.blocks * 512);
      }
    }
  }
  return count;
}
