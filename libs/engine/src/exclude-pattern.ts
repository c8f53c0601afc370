/**
 * Why an exclude could match nothing, as a sentence; null: it may match something. For those who define one: a run takes
 * whatever it is given, and would save silently what was to be left out.
 */
export function excludePatternProblem(pattern: string): string | null {
  if (pattern.startsWith('#'))
    return 'A pattern that begins with # is a comment: write "\\#" for the character itself.';
  // `!` takes back; blanks at the end mean nothing.
  const text = pattern.replace(/^!/, '').replace(/(?<!\\) +$/, '');
  if (text === '') return 'An empty pattern matches nothing.';
  if (text === '/') return 'What is backed up is never excluded itself, so "/" matches nothing.';
  const names = text.replace(/^\//, '').replace(/\/$/, '').split('/');
  for (const name of names) {
    const problem = nameProblem(name);
    if (problem !== null) return problem;
  }
  return null;
}

function nameProblem(name: string): string | null {
  if (name === '') return 'A pattern with an empty name in it matches nothing.';
  if (name === '.' || name === '..') return `No path has a name "${name}" in it: write the path without.`;
  const characters = Array.from(name);
  for (let at = 0; at < characters.length; at++) {
    if (characters[at] === '\\') {
      at += 1;
      if (at === characters.length) return 'A backslash at the end of a name escapes nothing.';
    } else if (characters[at] === '[') {
      const found = classEnd(characters, at);
      if (typeof found === 'string') return found;
      at = found;
    }
  }
  return null;
}

/** Of `[abc]`, `[a-z]`, `[!a]`, `[^a]`, where a `]` that comes first is meant as such: the place of the closing bracket, or what is wrong. */
function classEnd(characters: readonly string[], start: number): number | string {
  let at = start + 1;
  if (characters[at] === '!' || characters[at] === '^') at += 1;
  const next = (): string | undefined => {
    if (characters[at] === '\\') at += 1;
    return characters[at++];
  };
  for (let isFirst = true; isFirst || characters[at] !== ']'; isFirst = false) {
    const low = next();
    const isRange = characters[at] === '-' && characters[at + 1] !== ']' && characters[at + 1] !== undefined;
    if (isRange) at += 1;
    const high = isRange ? next() : low;
    if (low === undefined || high === undefined) return 'A "[" without "]": write "\\[" for the character itself.';
    if ((low.codePointAt(0) ?? 0) > (high.codePointAt(0) ?? 0))
      return `"${low}-${high}" is no range: its end comes first.`;
  }
  return at;
}
