import { execFileSync } from 'node:child_process';

const NOBODY = 65_534;

/**
 * Runs `action` as a user whom permissions bind, and who owns all below `directory`: as root, under another effective
 * user for the time.
 */
export async function withoutPrivileges<T>(directory: string, action: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return action();
  execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, directory]);
  process.seteuid?.(NOBODY);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}
