export const MIN_SECRET_KEY_CHARACTERS = 32;

/** Parts that give a placeholder away, whatever was put around it. */
const PLACEHOLDERS =
  /change[-_ ]?(me|it|this)|your[-_ ]?(secret|key)|secret[-_ ]?key|supersecret|example|placeholder|insert|replace|default|password|0123456789|abcdefgh|qwerty/i;

/** True for values out of documentation, and for such with so few different characters that nobody rolled dice for them. */
export function isWellKnownSecret(text: string): boolean {
  return PLACEHOLDERS.test(text) || new Set(text).size < 8;
}
