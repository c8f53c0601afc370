/**
 * Characters that a reader does not see, or that turn round what stands beside them: `gpj.exe` can be made to look like `exe.jpg`.
 * Control and format characters, separators that end a line unseen, and letters of some scripts that are drawn as nothing.
 */
const UNSEEN = /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}|\u115f|\u1160|\u17b4|\u17b5|\u3164|\uffa0/gu;

/** Of those, what pages draw (tab, line feed), what whole scripts and emoji need (joiners), and what is seen after all (signs of numbers). */
const DRAWN = /\t|\n|\u200c|\u200d|[\u0600-\u0605]|\u06dd|\u070f|\u08e2/;

/** Pure: a text with such characters named, `‹U+202E›`, so that what stands on a page is what is there. */
export function seenText(text: string): string {
  return text.replaceAll(UNSEEN, (letter, at: number) => {
    if (DRAWN.test(letter) || (letter === '\r' && text[at + 1] === '\n')) return letter;
    const code = letter.codePointAt(0) ?? 0;
    return `‹U+${code.toString(16).toUpperCase().padStart(4, '0')}›`;
  });
}
