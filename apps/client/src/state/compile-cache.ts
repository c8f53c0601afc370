import { lstatSync, mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { isAbsolute, join } from 'node:path';
import { stateDirectory } from '../config/state-directory';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * Lets Node keep compiled code between starts, in the state directory (measured: a third less CPU time for a short command).
 * Who can write such files decides what the agent runs: only a directory of our own, that nobody else may write, is used.
 * Whatever is in the way, the agent starts all the same. To be called before the code is loaded.
 */
export function useCompileCache(): void {
  const stateDir = stateDirectory();
  const directory = join(stateDir, 'compile-cache');
  try {
    if (!isAbsolute(stateDir) || !isOurs(stateDir)) return;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (isOurs(directory)) enableCompileCache(directory);
  } catch {
    // Not enrolled yet, read-only, full: nothing that a start depends on.
  }
}

function isOurs(directory: string): boolean {
  const stat = lstatSync(directory);
  return stat.isDirectory() && stat.uid === process.geteuid?.() && (stat.mode & WRITABLE_BY_OTHERS) === 0;
}
