// Joins compiled CommonJS modules in one file: reading and compiling a hundred small files takes longer than running them.
// What a module sees stays as it was: its own exports, __filename and __dirname. Relative names are resolved here, at build time;
// those that are not written as a literal in require() (a worker's file) are to be built from __dirname, as ever.
import { posix } from 'node:path';

const REQUIRE = /\brequire\("([^"]+)"\)/g;

/**
 * @param {string} entry path of the entry below dist/, without `.js`; the bundle takes its place
 * @param {ReadonlyMap<string, string>} modules code of every compiled file, by such paths
 * @param {Readonly<Record<string, string>>} aliases such as `#engine`, and the path that each means
 * @returns {string} code whose exports are those of the entry; packages and built-in modules are required as ever
 */
export function bundle(entry, modules, aliases) {
  const bodies = [];
  const idOf = (from, name) => (name.startsWith('.') ? posix.join(posix.dirname(from), name) : (aliases[name] ?? name));
  for (const path of reachableFrom(entry, modules, idOf)) {
    const code = modules
      .get(path)
      .replace(/^\/\/# sourceMappingURL=.*$/m, '')
      .replace(REQUIRE, (call, name) =>
        modules.has(idOf(path, name)) ? `__load(${JSON.stringify(idOf(path, name))})` : call,
      );
    bodies.push(`${JSON.stringify(path)}(exports, module, __filename, __dirname) {\n${code}\n}`);
  }
  const up = '../'.repeat(entry.split('/').length - 1);
  return `"use strict";
const __root = require("node:path").join(__dirname, ${JSON.stringify(up)});
const __loaded = new Map();
function __load(id) {
  const known = __loaded.get(id);
  if (known !== undefined) return known.exports;
  const file = __root + id + ".js";
  const module = { exports: {} };
  __loaded.set(id, module);
  __modules[id](module.exports, module, file, file.slice(0, file.lastIndexOf("/")));
  return module.exports;
}
const __modules = {
${bodies.join(',\n')}
};
module.exports = __load(${JSON.stringify(entry)});
`;
}

/** The entry and what it requires, directly or not; what is not among the modules stays outside. */
function reachableFrom(entry, modules, idOf) {
  const reached = new Set([entry]);
  for (const path of reached) {
    for (const [, name] of modules.get(path).matchAll(REQUIRE)) {
      if (modules.has(idOf(path, name))) reached.add(idOf(path, name));
    }
  }
  return reached;
}
