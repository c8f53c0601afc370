import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { editFile, filesBelow, makeFile, renameOneFolder } from './files.mjs';
import { kinds, sentence } from './text.mjs';
import { rareWord } from './words.mjs';

const [LEAST_BYTES, MOST_BYTES] = [200, 8_192];
const EXTENSIONS = { prose: 'md', code: 'ts', json: 'json', log: 'log', csv: 'csv', config: 'ini', mail: 'eml' };
/** As often as they stand here; one folder mostly holds one kind. */
const USUAL = ['prose', 'code', 'code', 'json', 'json', 'log', 'csv', 'config', 'mail'];

export const smallFiles = {
  name: 'small-files',
  title: 'Many small files of 0.2 to 8 KiB: text, code, JSON, logs, tables, settings, mails',

  make(folder, random, { smallFiles: count }) {
    let made = 0;
    const fill = (path, kind, files) => {
      mkdirSync(path, { recursive: true });
      for (let n = 0; n < files && made < count; n += 1) {
        const actual = random.happens(0.85) ? kind : random.pick(USUAL);
        makeFile(random, join(path, `${rareWord(random)}-${made}.${EXTENSIONS[actual]}`), content(random, actual));
        made += 1;
      }
    };
    // One very large folder, as mail servers have them; the others hold some dozens each.
    fill(join(folder, 'maildir', 'cur'), 'mail', Math.floor(count / 20));
    for (let project = 0; made < count; project += 1) {
      const top = join(folder, `${rareWord(random)}-${project}`);
      for (let n = 3 + random.below(20); n > 0; n -= 1)
        fill(join(top, rareWord(random), rareWord(random)), random.pick(USUAL), 5 + random.below(90));
    }
  },

  change(folder, random) {
    const files = filesBelow(folder);
    for (const path of random.sample(files, files.length / 50)) editFile(random, path, ` ${sentence(random)}\n`);
    for (const path of random.sample(files, files.length / 100)) rmSync(path);
    for (const path of random.sample(files, files.length / 100)) {
      const kind = random.pick(USUAL);
      makeFile(random, join(dirname(path), `new-${random.hex(12)}.${EXTENSIONS[kind]}`), content(random, kind));
    }
    renameOneFolder(random, folder);
  },
};

function content(random, kind) {
  const bytes = random.logUniform(LEAST_BYTES, MOST_BYTES + 1);
  return kinds[kind](random, bytes).slice(0, bytes);
}
