import { isUtf8 } from 'node:buffer';
import { readFileSync, readlinkSync } from 'node:fs';
import { utf8LengthAt } from './printable';

/**
 * Arguments are bytes, and Node decodes them as UTF-8 with losses. Here each byte that is not UTF-8 becomes a lone
 * surrogate U+DC80 to U+DCFF and back (Python's surrogateescape, PEP 383), so that a name that is not UTF-8 can be
 * given on the command line.
 */
const ESCAPED = /([\udc80-\udcff])/u;

export function decodeArgument(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const length = utf8LengthAt(bytes, at);
    text += length === 0 ? String.fromCharCode(0xdc00 + (bytes[at] ?? 0)) : bytes.toString('utf8', at, at + length);
    at += Math.max(1, length);
  }
  return text;
}

export function encodeArgument(text: string): Buffer {
  return Buffer.concat(
    text
      .split(ESCAPED)
      .map((part) => (ESCAPED.test(part) ? Buffer.from([part.charCodeAt(0) - 0xdc00]) : Buffer.from(part))),
  );
}

/** The process's arguments; where an argument lost bytes and Linux still knows them, with these. */
export function processArguments(argv: readonly string[] = process.argv): string[] {
  const decoded = argv.slice(2);
  if (!decoded.some((argument) => argument.includes('\ufffd'))) return decoded;
  try {
    const raw = readFileSync('/proc/self/cmdline').toString('latin1').split('\0').slice(0, -1);
    return raw.slice(raw.length - decoded.length).map((argument) => decodeArgument(Buffer.from(argument, 'latin1')));
  } catch {
    return decoded;
  }
}

/** The process's working directory, in the same form. */
export function processDirectory(directory: string = process.cwd()): string {
  if (!directory.includes('\ufffd')) return directory;
  try {
    return decodeArgument(readlinkSync('/proc/self/cwd', { encoding: 'buffer' }));
  } catch {
    return directory;
  }
}
