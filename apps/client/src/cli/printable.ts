import { isUtf8 } from 'node:buffer';

/**
 * What a terminal could act on or be fooled by: control characters (C0, DEL, C1), line separators, direction marks,
 * and the backslash, so that what is shown is unambiguous.
 */
// eslint-disable-next-line no-control-regex -- control characters are what it is about
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\\]|\p{Surrogate}/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

/** A name or path for people: bytes that are not UTF-8 and unsafe characters are escaped (`\xff`, `\n`, `\u202e`). */
export function printableBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return escapeText(bytes.toString('utf8'));
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const length = utf8LengthAt(bytes, at);
    text += length === 0 ? byteEscape(bytes[at] ?? 0) : escapeText(bytes.toString('utf8', at, at + length));
    at += Math.max(1, length);
  }
  return text;
}

/** A message for people, from whoever it came: the same escapes, but several lines stay several lines. */
export function printableMessage(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(UNSAFE, (char) => (char === '\\' ? char : escapeChar(char))))
    .join('\n');
}

/** How many bytes the UTF-8 character at `at` has; 0 when there is none. */
export function utf8LengthAt(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    if (isUtf8(bytes.subarray(at, at + length))) return length;
  }
  return 0;
}

function escapeText(text: string): string {
  return text.replace(UNSAFE, escapeChar);
}

function escapeChar(char: string): string {
  const short = SHORT[char];
  if (short !== undefined) return short;
  const code = char.codePointAt(0) ?? 0;
  return code < 0x80 ? byteEscape(code) : `\\u${code.toString(16).padStart(4, '0')}`;
}

function byteEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
