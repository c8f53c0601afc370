import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { DirectoryHandle } from '../system/directory-handle';

/** What is left out by what it is, not by its name. */
export interface ScanRules {
  /** The content of directories with a CACHEDIR.TAG (https://bford.info/cachedir/). */
  readonly skipsCaches: boolean;
  /** The content of directories that hold a file of this name. */
  readonly markerFile: string | null;
  /** Larger files. */
  readonly maxFileBytes: number | null;
  /** The content of directories that are on another file system than the one they stand in. */
  readonly staysOnFileSystem: boolean;
}

export const NO_SCAN_RULES: ScanRules = {
  skipsCaches: false,
  markerFile: null,
  maxFileBytes: null,
  staysOnFileSystem: false,
};

export interface ListedDirectory {
  /** latin1, as they were listed. */
  readonly names: readonly string[];
  readonly handle: DirectoryHandle;
  readonly isOtherDevice: boolean;
}

const TAG = 'CACHEDIR.TAG';
const SIGNATURE = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55');

/** The same rules when none of them says anything, so that whoever asks may take the quick way. */
export function scanRulesOf(rules: ScanRules): ScanRules {
  const { skipsCaches, markerFile, maxFileBytes, staysOnFileSystem } = rules;
  const areNone = !skipsCaches && markerFile === null && maxFileBytes === null && !staysOnFileSystem;
  return areNone ? NO_SCAN_RULES : rules;
}

export function leavesOutContent(rules: ScanRules, { names, handle, isOtherDevice }: ListedDirectory): boolean {
  if (rules.staysOnFileSystem && isOtherDevice) return true;
  if (rules.markerFile !== null && names.includes(Buffer.from(rules.markerFile).toString('latin1'))) return true;
  return rules.skipsCaches && names.includes(TAG) && isCacheTag(handle);
}

/** A regular file that begins with the signature: the name alone says nothing. */
function isCacheTag(handle: DirectoryHandle): boolean {
  let fd: number;
  try {
    fd = openSync(handle.child(Buffer.from(TAG)), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    const begin = Buffer.alloc(SIGNATURE.length);
    return readSync(fd, begin, 0, begin.length, null) === begin.length && begin.equals(SIGNATURE);
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}
