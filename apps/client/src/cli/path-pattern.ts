import { decodeArgument } from './argument-bytes';
import { CliError, ExitCode } from './failure';

/** One character of a name: itself, any, any number of any, or one of a class. Characters are code points. */
type Token =
  | { readonly kind: 'character'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | { readonly kind: 'class'; readonly isNegated: boolean; readonly ranges: readonly (readonly [number, number])[] };

/** `**`, or the pattern of one name. */
type Part = 'any-depth' | readonly Token[];

/**
 * A pattern as .gitignore has it: without a slash (but at its end) it matches a name at any depth; with one, the whole
 * path from '/'. `*` and `?` stay within a name, `**` is any number of names, `[a-z]` and `[!a-z]` are classes, a
 * backslash takes away a character's meaning, a slash at the end asks for directories. Case matters. Unlike an exclude it
 * matches a path and not what lies below it. Names are bytes: one that is not UTF-8 is matched byte by byte where it is no
 * text. The time is bounded by the lengths of pattern and path multiplied, whatever they are.
 */
export class PathPattern {
  private constructor(
    private readonly parts: readonly Part[],
    private readonly isDirectoryOnly: boolean,
  ) {}

  /** `text` as decodeArgument gives it. Throws CliError `usage`. */
  static parse(text: string): PathPattern {
    const isDirectoryOnly = text.endsWith('/') && text !== '/';
    const body = isDirectoryOnly ? text.slice(0, -1) : text;
    if (body === '') throw unusable('An empty pattern matches nothing.');
    if (body === '/') return new PathPattern([], false);
    const parts = body.replace(/^\//, '').split('/').map(parsePart);
    if (!body.includes('/')) parts.unshift('any-depth');
    return new PathPattern(parts, isDirectoryOnly);
  }

  matches(path: Buffer, isDirectory: boolean): boolean {
    if (this.isDirectoryOnly && !isDirectory) return false;
    const names = path.length === 1 ? [] : namesOf(path);
    return matchSequence(this.parts, names, {
      isStar: (part) => part === 'any-depth',
      matches: (part, name) => part !== 'any-depth' && matchName(part, name),
      // A `**` at the end is what lies below, not the directory itself.
      minOfLastStar: 1,
    });
  }
}

/** Split as bytes: a name that is not UTF-8 must not change the others. */
function namesOf(path: Buffer): string[] {
  return path
    .subarray(1)
    .toString('latin1')
    .split('/')
    .map((name) => decodeArgument(Buffer.from(name, 'latin1')));
}

function parsePart(text: string): Part {
  if (text === '**') return 'any-depth';
  if (text === '') throw unusable('A pattern with an empty name in it matches nothing.');
  const tokens: Token[] = [];
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' });
    } else if (character === '?') {
      tokens.push({ kind: 'any' });
    } else if (character === '[') {
      const { token, end } = parseClass(characters, at);
      tokens.push(token);
      at = end;
    } else if (character === '\\') {
      at += 1;
      const escaped = characters[at];
      if (escaped === undefined) throw unusable('A backslash at the end of a name escapes nothing.');
      tokens.push({ kind: 'character', text: escaped });
    } else {
      tokens.push({ kind: 'character', text: character });
    }
  }
  return tokens;
}

/** `[abc]`, `[a-z]`, `[!a]`, `[^a]`; a `]` that comes first is meant as such. `end` is the place of the closing bracket. */
function parseClass(characters: readonly string[], start: number): { token: Token; end: number } {
  let at = start + 1;
  const isNegated = characters[at] === '!' || characters[at] === '^';
  if (isNegated) at += 1;
  const ranges: [number, number][] = [];
  const one = (): number => {
    if (characters[at] === '\\') at += 1;
    const code = characters[at]?.codePointAt(0);
    if (code === undefined) throw unusable('A "[" without "]": write "\\[" for the character itself.');
    at += 1;
    return code;
  };
  for (let isFirst = true; isFirst || characters[at] !== ']'; isFirst = false) {
    const low = one();
    if (characters[at] === '-' && characters[at + 1] !== ']' && characters[at + 1] !== undefined) {
      at += 1;
      ranges.push([low, one()]);
    } else {
      ranges.push([low, low]);
    }
  }
  return { token: { kind: 'class', isNegated, ranges }, end: at };
}

function unusable(reason: string): CliError {
  return new CliError('usage', reason, ExitCode.usage);
}

function matchName(tokens: readonly Token[], name: string): boolean {
  return matchSequence(tokens, Array.from(name), {
    isStar: ({ kind }) => kind === 'star',
    matches: matchesCharacter,
    minOfLastStar: 0,
  });
}

function matchesCharacter(token: Token, character: string): boolean {
  if (token.kind === 'character') return token.text === character;
  if (token.kind !== 'class') return token.kind === 'any';
  const code = character.codePointAt(0) ?? 0;
  return token.ranges.some(([low, high]) => low <= code && code <= high) !== token.isNegated;
}

interface SequenceRules<P, T> {
  isStar(part: P): boolean;
  matches(part: P, item: T): boolean;
  /** Items that a star at the very end takes at least. */
  readonly minOfLastStar: number;
}

/** Stars match any number of items. Going back to the last star is enough: what an earlier one took can stay as it is. */
function matchSequence<P, T>(parts: readonly P[], items: readonly T[], rules: SequenceRules<P, T>): boolean {
  let part = 0;
  let item = 0;
  let star: { part: number; item: number } | null = null;
  const last = parts.at(-1);
  const isOpenEnded = parts.length > 0 && last !== undefined && rules.isStar(last);
  const kept = isOpenEnded ? rules.minOfLastStar : 0;
  const end = items.length - kept;
  if (end < 0) return false;
  while (item < end) {
    const wanted = parts[part];
    if (wanted !== undefined && rules.isStar(wanted)) {
      star = { part, item };
      part += 1;
    } else if (wanted !== undefined && rules.matches(wanted, items[item] as T)) {
      part += 1;
      item += 1;
    } else if (star !== null) {
      star.item += 1;
      part = star.part + 1;
      item = star.item;
    } else {
      return false;
    }
  }
  while (part < parts.length && rules.isStar(parts[part] as P)) part += 1;
  return part === parts.length;
}
