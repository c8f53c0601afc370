/** Control and format characters, separators that end a line unseen, halves of surrogate pairs, and letters that are drawn as nothing. */
const UNSEEN = /\p{Cc}|\p{Cf}|\p{Cs}|\p{Zl}|\p{Zp}|\u115f|\u1160|\u17b4|\u17b5|\u3164|\uffa0/u;
const MAX_CHARACTERS = 128;

/**
 * What forbids a client, task, user or API token to get this name, as a sentence; null: nothing. Names from before this was asked stay in use:
 * whoever signs in or enrols again by one is not asked. Of a name that is allowed, everything can be seen and typed.
 */
export function newNameFault(name: string): string | null {
  const count = Array.from(name).length;
  if (count === 0 || count > MAX_CHARACTERS) return `A name has 1 to ${MAX_CHARACTERS} characters.`;
  if (UNSEEN.test(name)) return 'A name has no control characters and none that cannot be seen.';
  return name === name.trim() ? null : 'A name neither begins nor ends with a blank.';
}

/** The name that a client has by default. Always one that may be given, whatever the host calls itself. */
export function nameOfHost(hostName: string): string {
  const seen = Array.from(hostName).filter((letter) => !UNSEEN.test(letter));
  const name = seen.join('').trim().normalize('NFC');
  return Array.from(name).slice(0, MAX_CHARACTERS).join('').trim() || 'client';
}
