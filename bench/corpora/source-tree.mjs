import { cpSync, linkSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { editFile, filesBelow, makeFile, renameOneFolder } from './files.mjs';
import { Noise } from './random.mjs';
import { kinds } from './text.mjs';
import { rareWord } from './words.mjs';

const SHARED_LICENSE_BYTES = 11_000;
/** Valid UTF-8 all of them, so that every engine does the same work. */
const ODD_NAMES = [
  'a name with spaces.txt',
  ' starts and ends with a space ',
  '-rf',
  '--help',
  'über naïve Straße.txt',
  'u\u0308ber decomposed.txt',
  '日本語のファイル.txt',
  'two\nlines.txt',
  'a\ttab.txt',
  'back\\slash.txt',
  'quote"and\'quote.txt',
  '*?[glob]{a,b}$HOME`x`.txt',
  '.hidden',
  '...',
  '\u{1f5c4} box.txt',
  'x'.repeat(255),
];

export const sourceTree = {
  name: 'source-tree',
  title: 'A source tree: packages, a version history, links, copies, odd names',

  make(folder, random, { sourceFiles: count }) {
    const noise = new Noise(`source tree ${random.hex(8)}`);
    const license = kinds.prose(random, SHARED_LICENSE_BYTES);
    let made = 0;
    const packages = [];
    while (made < count) {
      const name = `${rareWord(random)}-${packages.length}`;
      const path = join(folder, 'packages', name);
      made += makePackage(random, noise, path, license);
      packages.push(path);
    }
    for (const path of random.sample(packages, packages.length / 20))
      cpSync(path, join(folder, 'vendor', path.slice(path.lastIndexOf('/') + 1)), {
        recursive: true,
        preserveTimestamps: true,
        verbatimSymlinks: true,
      });
    makeHistory(random, join(folder, '.git', 'objects'), Math.floor(count / 5));
    makeOdd(random, join(folder, 'odd'));
  },

  change(folder, random) {
    const packages = join(folder, 'packages');
    const files = filesBelow(packages).filter((path) => !path.endsWith('.png'));
    for (const path of random.sample(files, files.length / 30)) editFile(random, path, kinds.code(random, 300));
    for (const path of random.sample(files, files.length / 100)) rmSync(path);
    for (const path of random.sample(files, files.length / 100))
      makeFile(
        random,
        join(dirname(path), `new-${random.hex(12)}.ts`),
        kinds.code(random, random.logUniform(500, 20_000)),
      );
    makeHistory(random, join(folder, '.git', 'objects'), Math.floor(files.length / 30));
    renameOneFolder(random, packages);
  },
};

/** @returns how many files it made */
function makePackage(random, noise, path, license) {
  let made = 3;
  mkdirSync(path, { recursive: true });
  makeFile(random, join(path, 'LICENSE'), license);
  makeFile(random, join(path, 'package.json'), kinds.json(random, 1_500));
  makeFile(random, join(path, 'README.md'), kinds.prose(random, random.logUniform(500, 20_000)));
  const sources = [];
  for (let folder = 1 + random.below(6); folder > 0; folder -= 1) {
    const inside = join(path, 'src', rareWord(random), random.happens(0.3) ? rareWord(random) : '');
    mkdirSync(inside, { recursive: true });
    for (let n = 2 + random.below(20); n > 0; n -= 1) {
      const source = join(inside, `${rareWord(random)}-${made}.ts`);
      makeFile(random, source, kinds.code(random, random.logUniform(300, 80_000)));
      sources.push(source);
      made += 1;
    }
  }
  makeFile(random, join(path, 'run.sh'), kinds.config(random, 400), 0o755);
  makeFile(random, join(path, '.npmrc'), '', 0o600);
  mkdirSync(join(path, 'bin'));
  symlinkSync('../run.sh', join(path, 'bin', 'run'));
  symlinkSync(random.pick(['/nowhere/at/all', '../../gone', '.']), join(path, 'bin', 'other'));
  if (random.happens(0.5)) linkSync(random.pick(sources), join(path, 'bin', 'linked.ts'));
  if (random.happens(0.3)) {
    // A bundle: the package's code once more, without line breaks.
    mkdirSync(join(path, 'lib'));
    makeFile(random, join(path, 'lib', 'bundle.min.js'), kinds.code(random, 300_000).replaceAll(/\s+/g, ' '));
  }
  if (random.happens(0.3)) makeFile(random, join(path, 'logo.png'), noise.bytes(random.logUniform(2_000, 200_000)));
  return made + 2;
}

/** Objects of a version history: each a deflated text under a name of 40 digits. */
function makeHistory(random, folder, count) {
  for (let n = 0; n < count; n += 1) {
    const name = random.hex(40);
    mkdirSync(join(folder, name.slice(0, 2)), { recursive: true });
    const text = kinds.code(random, random.logUniform(200, 20_000));
    makeFile(random, join(folder, name.slice(0, 2), name.slice(2)), deflateSync(text, { level: 1 }), 0o444);
  }
}

function makeOdd(random, folder) {
  mkdirSync(join(folder, 'an empty folder'), { recursive: true });
  for (const name of ODD_NAMES) makeFile(random, join(folder, name), kinds.prose(random, 200));
  let deep = folder;
  for (let n = 0; n < 30; n += 1) deep = join(deep, `level ${n}`);
  mkdirSync(deep, { recursive: true });
  makeFile(random, join(deep, 'at the bottom'), kinds.prose(random, 200));
  makeFile(random, join(folder, 'private'), kinds.config(random, 200), 0o400);
}
