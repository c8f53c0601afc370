// Compiles apps/ and libs/ to dist/ with swc (types are checked apart, by `npm run typecheck`) and copies what is not code.
// Built beside and moved into place, so that nothing ever runs a half-written dist/.
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformFileSync } from '@swc/core';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NEXT = join(ROOT, `dist.${process.pid}`);
const COPIED = /\.(hbs|css|js|svg|json)$/;
/** Specs and what only they use: contract suites, test databases, golden files and their makers. */
const TESTS_ONLY = /(\.spec|\.contract|[./]testing)\.ts$|\.d\.ts$|\/golden\//;

mkdirSync(NEXT);
let count = 0;
for (const top of ['apps', 'libs']) {
  for (const item of readdirSync(join(ROOT, top), { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const source = join(item.parentPath, item.name);
    const target = join(NEXT, source.slice(ROOT.length));
    if (TESTS_ONLY.test(source)) continue;
    if (source.endsWith('.ts')) {
      const { code, map } = transformFileSync(source, { cwd: ROOT, filename: source });
      const file = target.replace(/\.ts$/, '.js');
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${code}\n//# sourceMappingURL=${item.name.replace(/\.ts$/, '.js.map')}\n`);
      if (map) writeFileSync(`${file}.map`, map);
      count += 1;
    } else if (COPIED.test(source)) {
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(source, target);
    }
  }
}
rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
renameSync(NEXT, join(ROOT, 'dist'));
process.stdout.write(`built ${count} files into dist/\n`);
