import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The bytes of a golden file. The format's files are frozen: a change that alters them breaks every stored backup.
 * A file that is not there yet is written from `make`, and the test fails so that somebody looks at it.
 */
export function golden(name: string, make: () => Uint8Array): Buffer {
  const file = join(__dirname, name);
  if (!existsSync(file)) {
    writeFileSync(file, make());
    throw new Error(`${file} was missing and has been written: check it, commit it, run again`);
  }
  return readFileSync(file);
}

/** Deterministic bytes that look random (xorshift32). The goldens depend on them. */
export function seededBytes(length: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed | 0;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, length);
}

/** Deterministic text that compresses well. */
export function seededText(length: number, seed: number): Buffer {
  const words = ['holdfast', 'kelp', 'anchor', 'stone', 'tide', 'reef', 'current', 'root'];
  const picks = seededBytes(length, seed);
  let text = '';
  for (let i = 0; text.length < length; i++) text += `${words[(picks[i] ?? 0) % words.length] ?? ''} `;
  return Buffer.from(text.slice(0, length), 'latin1');
}
