import { isUtf8 } from 'node:buffer';
import { isWithin } from '#engine';
import ignore, { type Ignore } from 'ignore';

/** `ignore` keeps the answer for every path it was asked about; so many, then it starts anew. */
const MAX_CACHED_PATHS = 20_000;

/**
 * Gitignore patterns, as if a .gitignore stood in '/': `*.tmp` or `cache/` match at any depth, a pattern with a slash at
 * its start or within is anchored at '/', so that absolute paths work as patterns; `!` takes back what an earlier pattern
 * excluded, but nothing inside an excluded directory. Case matters. A root and the directories above it are never
 * excluded: who names a path wants it (`backup /srv/build --exclude build` leaves out the `build` folders inside).
 * A name that is not UTF-8 is matched as latin1 text.
 */
export class ExcludeRules {
  private rules: Ignore | null;
  private asked = 0;

  constructor(
    private readonly patterns: readonly string[],
    private readonly roots: readonly Buffer[],
  ) {
    this.rules = patterns.length === 0 ? null : this.compile();
  }

  /** Nothing is excluded. */
  get areNone(): boolean {
    return this.rules === null;
  }

  /** Of an absolute path. The directories above it must have been asked about before, or be excluded with it. */
  isExcluded(path: Buffer, isDirectory: boolean): boolean {
    // Roots and what is above them by their bytes: no text stands for every name.
    if (this.rules === null || path.length <= 1 || this.roots.some((root) => isWithin(root, path))) return false;
    if (++this.asked % MAX_CACHED_PATHS === 0) this.rules = this.compile();
    const text = textOf(path.subarray(1));
    return this.rules.ignores(isDirectory ? `${text}/` : text);
  }

  /** The last lines take the directories above what is asked for out of the rules: `ignore` looks at them, too. */
  private compile(): Ignore {
    const exempt = new Set(this.roots.flatMap(withAncestors).map((path) => `!${escapePattern(path)}`));
    return ignore({ ignoreCase: false, allowRelativePaths: true }).add([...this.patterns, ...exempt]);
  }
}

/** Names that are not UTF-8 become latin1 one by one: the names around them keep their text. */
function textOf(path: Buffer): string {
  if (isUtf8(path)) return path.toString('utf8');
  return path
    .toString('latin1')
    .split('/')
    .map((name) => {
      const bytes = Buffer.from(name, 'latin1');
      return isUtf8(bytes) ? bytes.toString('utf8') : name;
    })
    .join('/');
}

function withAncestors(root: Buffer): string[] {
  const names = textOf(root).split('/').slice(1);
  return root.length <= 1 ? [] : names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`);
}

/** Line ends and their like in brackets: behind a backslash those at the end would be trimmed off. */
function escapePattern(text: string): string {
  return text.replace(/[\\*?[\]!# ]/g, '\\$&').replace(/[^\S ]/g, '[$&]');
}
