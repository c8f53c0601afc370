import { isWithin, ROOT_PATH } from '#engine';
import { ExcludeRules } from './exclude-rules';
import { leavesOutContent, type ListedDirectory, NO_SCAN_RULES, type ScanRules } from './scan-rules';

/** How a path stands to the roots: one of them or below, a directory on the way to one, or neither. */
export type Place = 'inside' | 'above' | 'outside';

/** Which paths a run saves: pure, after the roots are known. */
export class Selection {
  private readonly rules: ExcludeRules;

  /** `roots` as normaliseRoots gives them. `stateDir` (real path) and what is in it is never saved. */
  constructor(
    readonly roots: readonly Buffer[],
    excludes: readonly string[],
    private readonly stateDir: Buffer,
    private readonly scanRules: ScanRules = NO_SCAN_RULES,
    /** Real path of the directory that stands for '/': HOST_ROOT in a container. */
    readonly hostRoot: Buffer = ROOT_PATH,
  ) {
    this.rules = new ExcludeRules(excludes, roots);
  }

  placeOf(path: Buffer): Place {
    if (this.roots.some((root) => isWithin(path, root))) return 'inside';
    return this.roots.some((root) => isWithin(root, path)) ? 'above' : 'outside';
  }

  /** The directories above are taken as selected. */
  isSelected(path: Buffer, isDirectory: boolean): boolean {
    const place = this.placeOf(path);
    if (place === 'above') return true;
    return place === 'inside' && !isWithin(path, this.stateDir) && !this.rules.isExcluded(path, isDirectory);
  }

  /** Is everything in this directory, which is selected itself, selected whatever it is called? False: it is to be asked for. */
  takesAllIn(directory: Buffer): boolean {
    return (
      this.scanRules === NO_SCAN_RULES &&
      this.rules.areNone &&
      !isWithin(this.stateDir, directory) &&
      this.placeOf(directory) === 'inside'
    );
  }

  /** Of a file that is selected. Who names a path as a root wants it whatever its size is. */
  isTooLarge(path: Buffer, size: bigint): boolean {
    const { maxFileBytes } = this.scanRules;
    return maxFileBytes !== null && size > BigInt(maxFileBytes) && !this.isRoot(path);
  }

  /** Of a directory within the roots: does a rule leave out all that is in it? Not of a root itself. */
  leavesOutContent(path: Buffer, directory: ListedDirectory): boolean {
    return this.scanRules !== NO_SCAN_RULES && !this.isRoot(path) && leavesOutContent(this.scanRules, directory);
  }

  private isRoot(path: Buffer): boolean {
    return this.roots.some((root) => root.equals(path));
  }

  /** Names (latin1) in a directory above the roots that lead to one, ascending. */
  namesTowardsRoots(directory: Buffer): string[] {
    const start = directory.length === 1 ? 1 : directory.length + 1;
    const names = this.roots
      .filter((root) => isWithin(root, directory) && root.length > directory.length)
      .map((root) => {
        const slash = root.indexOf(0x2f, start);
        return root.toString('latin1', start, slash === -1 ? root.length : slash);
      });
    return [...new Set(names)].sort();
  }

  /** Throws when a root cannot be saved at all. */
  assertUsable(): void {
    const forbidden = this.roots.find((root) => isWithin(root, this.stateDir));
    if (forbidden === undefined) return;
    throw new Error(`${forbidden.toString()} is the agent's own state directory, or in it: it is never backed up`);
  }
}
