import type { Xattr } from '#engine';
import { describeError, errorCode } from '../system/error-code';
import type { NativeCalls } from '../system/native-calls';

export interface ReadXattrs {
  /** Ascending by name. */
  readonly xattrs: readonly Xattr[];
  /** What could not be read, in words; null when everything was. */
  readonly problem: string | null;
}

const NONE: ReadXattrs = { xattrs: [], problem: null };

/**
 * All extended attributes of what stands at `path` (a DirectoryHandle's child: not followed), POSIX ACLs among them.
 * One that vanishes between listing and reading changes the ctime, which the caller sees.
 */
export function readXattrs(path: Buffer, native: NativeCalls | null): ReadXattrs {
  if (native === null) return NONE;
  let names: Buffer[];
  try {
    names = native.listXattrs(path);
  } catch (error) {
    return { xattrs: [], problem: `its extended attributes cannot be listed: ${describeError(error)}` };
  }
  if (names.length === 0) return NONE;
  const xattrs: Xattr[] = [];
  let problem: string | null = null;
  for (const name of names.sort((a, b) => a.compare(b))) {
    try {
      xattrs.push({ name, value: native.getXattr(path, name) });
    } catch (error) {
      if (errorCode(error) === 'ENODATA') continue;
      problem ??= `its extended attribute ${JSON.stringify(name.toString())} cannot be read: ${describeError(error)}`;
    }
  }
  return { xattrs, problem };
}
