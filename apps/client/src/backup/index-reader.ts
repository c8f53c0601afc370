import { closeSync, openSync, readSync } from 'node:fs';
import { readFrames } from '#engine';

/**
 * The frames of an index file, read synchronously: asking for a frame costs as much as a promise, and there are two
 * thousand lines in it. Each frame is memory of its own. The file is closed at its end, when it is damaged, and when the
 * reading ends early (return()).
 */
export function* readIndexFrames(path: string): Generator<Buffer, void, undefined> {
  const fd = openSync(path, 'r');
  try {
    yield* readFrames((length) => readFully(fd, length), 'index', path);
  } finally {
    closeSync(fd);
  }
}

/** Fewer only at the end of the file. */
function readFully(fd: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, null);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
