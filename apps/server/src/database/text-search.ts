import type { Sql, Value } from './sql';

/**
 * Pure: how a text is compared when capitals make no difference, the same for every letter there is. (The Greek sigma at the
 * end of a word is a letter of its own only to the eye.) Both dialects' `Sql.folded` do the same.
 */
export function foldCase(text: string): string {
  return text.toLowerCase().replaceAll('ς', 'σ');
}

/** A condition on columns: that one of them, null counting as empty, holds the text in whatever case. `%` and `_` are letters like others. */
export function holdsText(sql: Sql, columns: readonly string[], text: string): { condition: string; params: Value[] } {
  return matches(sql, columns, `%${literal(text)}%`);
}

/** The same of how it begins. */
export function beginsWithText(sql: Sql, column: string, text: string): { condition: string; params: Value[] } {
  return matches(sql, [column], `${literal(text)}%`);
}

function matches(sql: Sql, columns: readonly string[], pattern: string): { condition: string; params: Value[] } {
  const tests = columns.map((column) => `${sql.folded(`coalesce(${column}, '')`)} like ? escape '\\'`);
  return { condition: `(${tests.join(' or ')})`, params: columns.map(() => pattern) };
}

/** As it stands in a pattern of `like`. */
function literal(text: string): string {
  return foldCase(text).replaceAll(/[\\%_]/g, String.raw`\$&`);
}
