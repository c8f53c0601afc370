// Which imports a built file loads at their first use instead of at its start. The agent is started often and for short
// work: what a command does not use costs it nothing (class-validator alone takes four times as long to load as Node to start).
// swc turns each of these into a function that requires the module when something of it is first touched.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What only some commands, or only some of their work, need. */
const PACKAGES = ['better-sqlite3', 'cli-progress', 'croner', 'ignore', 'node:https', 'node:tls'];
/** Folders of which a command line uses one file at most. */
const FOLDERS = { 'apps/client/src/cli/program.ts': 'commands' };
/** DTOs are classes for the server, which validates with them; the agent only has their types. */
const DTOS_OF = 'libs/common/src/index.ts';

/** The import specifiers of `source`, a path below `root`, that are lazy. */
export function lazyImports(root, source) {
  const folder = join(root, dirname(source));
  if (source === DTOS_OF)
    return modulesIn(folder)
      .filter((name) => name.endsWith('.dto'))
      .map((name) => `./${name}`);
  if (source.startsWith('libs/')) return PACKAGES;
  if (!source.startsWith('apps/client/')) return [];
  const below = FOLDERS[source];
  if (below === undefined) return PACKAGES;
  return [...PACKAGES, ...modulesIn(join(folder, below)).map((name) => `./${below}/${name}`)];
}

function modulesIn(folder) {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -'.ts'.length));
}
