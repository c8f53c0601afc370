import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), join(homedir(), '.cargo', 'bin')];

/** The program's absolute path, or null when it is not installed. */
export function findProgram(name) {
  for (const folder of FOLDERS) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here.
    }
  }
  return null;
}

/** The first line of what `file args` prints. */
export function firstLineOf(file, ...args) {
  return spawnSync(file, args).stdout?.toString().split('\n')[0].trim() ?? 'unknown';
}

/** Nothing of the caller's settings reaches an engine; what it caches goes below `home`. */
export function cleanEnvironment(home, more = {}) {
  return { PATH: FOLDERS.join(delimiter), HOME: home, LANG: 'C.UTF-8', ...more };
}
