import { spawnSync } from 'node:child_process';
import { system } from './processes';

const isRoot = process.getuid?.() === 0;

function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

/** What this machine offers to the tests. A test that lacks something is skipped by name; .ci/run fails on any skip. */
export const machine = {
  isRoot,
  hasRsync: has('rsync'),
  hasAcl: has('setfacl'),
  hasXattr: has('setfattr'),
  hasSetpriv: has('setpriv'),
} as const;

/** `it` where all needs are met, a named skip elsewhere. */
export function itWith(...needs: (keyof typeof machine)[]): jest.It {
  const missing = needs.filter((need) => !machine[need]);
  return missing.length === 0 ? it : it.skip;
}

/**
 * What rsync would still have to change to make `copy` equal to `source`: content, modes, owners, times (directories too),
 * hard links, ACLs, xattrs, devices, deletions. Equal trees give ''.
 */
export async function differences(source: string, copy: string, excludes: readonly string[] = []): Promise<string> {
  const words = [
    '-aHAXn',
    '--checksum',
    '--delete',
    '--itemize-changes',
    ...excludes.map((path) => `--exclude=${path}`),
  ];
  return system('rsync', [...words, `${source}/`, `${copy}/`]);
}
