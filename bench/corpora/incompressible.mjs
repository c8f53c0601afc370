import { appendFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { filesBelow, makeFile, renameOneFolder } from './files.mjs';
import { Noise } from './random.mjs';
import { rareWord } from './words.mjs';

const [LEAST_BYTES, MOST_BYTES] = [128 * 1_024, 64 * 1_024 * 1_024];
const FILES_IN_ALBUM = 12;

export const incompressible = {
  name: 'incompressible',
  title: 'Data that is compressed already: pictures, films, archives',

  make(folder, random, { incompressibleBytes }) {
    const noise = new Noise(`incompressible ${random.hex(8)}`);
    const mostBytes = Math.min(MOST_BYTES, incompressibleBytes / 8);
    let album = folder;
    for (let made = 0, count = 0; made < incompressibleBytes; count += 1) {
      if (count % FILES_IN_ALBUM === 0) {
        album = join(folder, `${rareWord(random)} ${count}`);
        mkdirSync(album);
      }
      const bytes = Math.min(random.logUniform(LEAST_BYTES, mostBytes), incompressibleBytes - made);
      makeFile(
        random,
        join(album, `${rareWord(random)} ${count}.${random.pick(['jpg', 'mp4', 'zip'])}`),
        noise.bytes(bytes),
      );
      made += bytes;
    }
  },

  change(folder, random) {
    const noise = new Noise(`incompressible changed ${random.hex(8)}`);
    const files = filesBelow(folder);
    appendFileSync(random.pick(files), noise.bytes(1_000_000));
    rmSync(random.pick(files));
    const album = join(folder, random.pick(readdirSync(folder).sort()));
    makeFile(random, join(album, `new ${random.hex(8)}.jpg`), noise.bytes(3_000_000));
    renameOneFolder(random, folder);
  },
};
