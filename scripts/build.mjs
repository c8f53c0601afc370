// Compiles apps/ and libs/ to dist/ with swc (types are checked apart, by `npm run typecheck`) and copies what is not code.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transformFileSync } from '@swc/core';

const ROOT = new URL('..', import.meta.url).pathname;
const COPIED = /\.(hbs|css|js|svg|json)$/;

rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
let count = 0;
for (const top of ['apps', 'libs']) {
  for (const item of readdirSync(join(ROOT, top), { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const source = join(item.parentPath, item.name);
    const target = join(ROOT, 'dist', source.slice(ROOT.length));
    if (source.endsWith('.ts')) {
      if (/\.(spec|contract)\.ts$|\.d\.ts$/.test(source)) continue;
      const { code, map } = transformFileSync(source, { cwd: ROOT, filename: source });
      const file = target.replace(/\.ts$/, '.js');
      mkdirSync(dirname(file), { recursive: true });
      const name = item.name.replace(/\.ts$/, '.js.map');
      writeFileSync(file, `${code}\n//# sourceMappingURL=${name}\n`);
      if (map) writeFileSync(`${file}.map`, map);
      count += 1;
    } else if (COPIED.test(source)) {
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(source, target);
    }
  }
}
process.stdout.write(`built ${count} files into dist/\n`);
