import { readFileSync } from 'node:fs';

/** Where file systems are mounted, as latin1 paths. */
export interface MountPoints {
  readonly paths: ReadonlySet<string>;
  /** The directories that they stand in: in no other is a mount point met. */
  readonly parents: ReadonlySet<string>;
}

/** A directory as it is met. `mountId` of it and of the one that it stands in: null where it is not open, or the system does not tell. */
export interface MetDirectory {
  readonly path: Buffer;
  readonly isOtherDevice: boolean;
  readonly mountId: () => string | null;
  readonly parentMountId: () => string | null;
}

/**
 * Is a file system mounted on it? Another device than its parent's is not enough: each subvolume of a btrfs has one. The table
 * is as old as the run, so that it only says where to ask; where nothing can be asked, it is believed. Most are told by the device and the table.
 */
export function isMountPoint(
  { path, isOtherDevice, mountId, parentMountId }: MetDirectory,
  mounts: MountPoints,
): boolean {
  const isListed = mounts.paths.has(path.toString('latin1'));
  if (!isOtherDevice && !isListed) return false;
  const [own, above] = [mountId(), parentMountId()];
  if (own !== null && above !== null) return own !== above;
  return isListed || mounts.paths.size === 0;
}

/** What is mounted now, as it is called below `root` (a real path); nothing where the system does not tell. */
export function readMountPoints(root: Buffer): MountPoints {
  try {
    return parseMountPoints(readFileSync('/proc/self/mountinfo', 'latin1'), root.toString('latin1'));
  } catch {
    return { paths: new Set(), parents: new Set() };
  }
}

/** The fifth field of proc_pid_mountinfo(5); blanks, line ends and backslashes in it are written in octal. */
export function parseMountPoints(text: string, root = '/'): MountPoints {
  const fields = text.split('\n').map((line) => line.split(' ')[4]);
  const mounted = fields.filter((field) => field !== undefined).map(unescapeOctal);
  const paths =
    root === '/'
      ? mounted
      : mounted.filter((path) => path.startsWith(`${root}/`)).map((path) => path.slice(root.length));
  return { paths: new Set(paths), parents: new Set(paths.map((path) => path.slice(0, path.lastIndexOf('/')) || '/')) };
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
