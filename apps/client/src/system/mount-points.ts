import { readFileSync } from 'node:fs';

/** Where file systems are mounted now, as latin1 paths; empty where the system does not tell. */
export function readMountPoints(): ReadonlySet<string> {
  try {
    return parseMountPoints(readFileSync('/proc/self/mountinfo', 'latin1'));
  } catch {
    return new Set();
  }
}

/** The fifth field of proc_pid_mountinfo(5); blanks, line ends and backslashes in it are written in octal. */
export function parseMountPoints(text: string): ReadonlySet<string> {
  const fields = text.split('\n').map((line) => line.split(' ')[4]);
  return new Set(fields.filter((field) => field !== undefined).map(unescapeOctal));
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
