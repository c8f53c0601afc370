import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface DescribedNode {
  path: string;
  mode: string;
  mtimeNs: string;
  /** SHA-256 of a file's bytes, the target of a link, '' else. */
  content: string;
  /** First path (in this order) that is the same file. */
  sameAs: string;
}

/** A tree as text that can be committed: everything that does not depend on who restores it. */
export function describeTree(root: string): DescribedNode[] {
  const nodes: DescribedNode[] = [];
  const firstNames = new Map<bigint, string>();
  const walk = (path: string): void => {
    const stat = lstatSync(join(root, path), { bigint: true });
    const isShared = stat.isFile() && stat.nlink > 1n;
    const sameAs = isShared ? (firstNames.get(stat.ino) ?? path) : path;
    if (isShared) firstNames.set(stat.ino, sameAs);
    nodes.push({
      path,
      mode: stat.mode.toString(8),
      mtimeNs: String(stat.mtimeNs),
      content: contentOf(join(root, path)),
      sameAs,
    });
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(join(root, path)).sort()) walk(path === '' ? name : `${path}/${name}`);
  };
  walk('');
  return nodes;
}

function contentOf(path: string): string {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return readlinkSync(path);
  return stat.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
}
