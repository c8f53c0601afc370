import { seenText } from './seen-text';

/**
 * Whether somebody typed the name of a thing to say that he means it: as it is, or as pages show it. Older names may have blanks around
 * them, or characters that a page names because nobody could see or type them.
 */
export function isTypedName(typed: string, name: string): boolean {
  return typed !== '' && (typed.normalize('NFC') === name || asShown(typed.normalize('NFC')) === asShown(name));
}

/** The name that a form asks for: the one that the thing has, unless another one was typed. An older one may have blanks around it. */
export function nameOfForm(typed: string, present: string): string {
  return typed === present ? present : typed.trim();
}

/** Blanks in a row are drawn as one. */
function asShown(text: string): string {
  return seenText(text).replaceAll(/\s+/g, ' ').trim();
}
