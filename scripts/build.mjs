// Compiles apps/ and libs/ to dist/ with swc (types are checked apart, by `npm run typecheck`) and copies what is not code.
// Built beside and moved into place, so that nothing ever runs a half-written dist/.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { minifySync, transformFileSync } from '@swc/core';
import { writeApiTypes } from './api-types.mjs';
import { bundle } from './bundle.mjs';
import { lazyImports } from './lazy-imports.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NEXT = join(ROOT, `dist.${process.pid}`);
const COPIED = /\.(hbs|css|js|svg|json)$/;
/** Specs and what only they use: contract suites, test databases, golden files and their makers. */
const TESTS_ONLY = /(\.spec|\.contract|[./]testing)\.ts$|\.d\.ts$|\/golden\/|\/tsconfig\.json$/;
/** The agent is started for every command: it is one file, from which all but its first check is loaded. */
const AGENT = 'apps/client/src/cli/cli';
const ALIASES = { '#engine': 'libs/engine/src/index', '#common': 'libs/common/src/index' };

await writeApiTypes(ROOT);
const { module } = JSON.parse(readFileSync(join(ROOT, '.swcrc'), 'utf8'));
const modules = new Map();
mkdirSync(NEXT);
for (const top of ['apps', 'libs']) {
  for (const item of readdirSync(join(ROOT, top), { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const source = join(item.parentPath, item.name);
    const name = source.slice(ROOT.length);
    if (TESTS_ONLY.test(source)) continue;
    if (source.endsWith('.ts')) {
      const options = { cwd: ROOT, filename: source, module: { ...module, lazy: lazyImports(ROOT, name) } };
      const { code, map } = transformFileSync(source, options);
      const built = name.replace(/\.ts$/, '');
      modules.set(built, code);
      write(`${built}.js`, `${code}\n//# sourceMappingURL=${item.name.replace(/\.ts$/, '.js.map')}\n`);
      if (map) write(`${built}.js.map`, map);
    } else if (COPIED.test(source)) {
      mkdirSync(dirname(join(NEXT, name)), { recursive: true });
      copyFileSync(source, join(NEXT, name));
    }
  }
}
// Without comments, and names kept: a stack still says where. ASCII, for V8 keeps other text in twice the memory.
const whole = bundle(AGENT, modules, ALIASES);
write(`${AGENT}.js`, minifySync(whole, { compress: false, mangle: false, format: { asciiOnly: true } }).code);
rmSync(join(NEXT, `${AGENT}.js.map`));
rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
renameSync(NEXT, join(ROOT, 'dist'));
process.stdout.write(`built ${modules.size} files into dist/\n`);

function write(name, text) {
  const target = join(NEXT, name);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}
