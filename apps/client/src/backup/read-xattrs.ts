import type { Xattr } from '#engine';
import { describeError, errorCode } from '../system/error-code';
import type { NativeCalls } from '../system/native-calls';
import type { Standing } from './scanner';

export interface ReadXattrs {
  /** Ascending by name. */
  readonly xattrs: readonly Xattr[];
  /** What could not be read, in words; null when everything was. */
  readonly problem: string | null;
}

const NONE: ReadXattrs = { xattrs: [], problem: null };

/**
 * All extended attributes of what stands there (not followed), POSIX ACLs among them; `fd` when it is open.
 * One that vanishes between listing and reading changes the ctime, which the caller sees.
 */
export function readXattrs({ parent, name }: Standing, native: NativeCalls | null, fd: number | null): ReadXattrs {
  if (native === null) return NONE;
  let names: Buffer[];
  try {
    names = fd === null ? native.listXattrs(parent.child(name)) : native.listXattrsOfFile(fd);
  } catch (error) {
    return { xattrs: [], problem: `its extended attributes cannot be listed: ${describeError(error)}` };
  }
  if (names.length === 0) return NONE;
  const xattrs: Xattr[] = [];
  let problem: string | null = null;
  const path = parent.child(name);
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
