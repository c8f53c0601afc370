import { closeSync, constants } from 'node:fs';
import { decodeEntry } from '#engine';
import { errorCode } from '../system/error-code';
import { type FailedRow, type JobRow } from './block-job';
import { writeFully } from './spool-file';
import { type TemporaryFiles } from './temporary-files';

const MAX_OPEN_FILES = 64;
const HOLE_BYTES = 4_096;
const ZEROS = Buffer.alloc(HOLE_BYTES);

interface OpenFile {
  readonly fd: number;
  readonly isSparse: boolean;
}

/** Writes chunks at their offsets in files that stand under their temporary names, with those written last held open. */
export class FileWriter {
  private readonly opened = new Map<number, OpenFile>();
  /** Errors of handles that were closed on the way. */
  private readonly failed: FailedRow[] = [];

  constructor(private readonly files: TemporaryFiles) {}

  write(row: JobRow, bytes: Buffer): void {
    const { fd, isSparse } = this.known(row.number) ?? this.open(row);
    if (isSparse) writeAroundHoles(fd, bytes, row.offset);
    else writeFully(fd, bytes, bytes.length, row.offset);
  }

  /** Closes the file, of which nothing is hoped for any more. */
  forget(number: number): void {
    const file = this.opened.get(number);
    if (file === undefined) return;
    this.opened.delete(number);
    try {
      closeSync(file.fd);
    } catch {
      // It failed already.
    }
  }

  /** Closes all; returns the files that closing, now or before, told to be not as they were written. */
  close(): readonly FailedRow[] {
    for (const [number, file] of this.opened) this.release(number, file);
    return this.failed.splice(0);
  }

  private known(number: number): OpenFile | null {
    const known = this.opened.get(number);
    if (known === undefined) return null;
    this.opened.delete(number);
    this.opened.set(number, known);
    return known;
  }

  private open(row: JobRow): OpenFile {
    const { isSparse } = decodeEntry(row.entryBytes, `entry ${row.number} of the restore plan`);
    const file = { fd: this.files.open(row.path, row.number, row, constants.O_WRONLY), isSparse: isSparse === true };
    this.opened.set(row.number, file);
    if (this.opened.size > MAX_OPEN_FILES) {
      const [oldest] = this.opened;
      if (oldest !== undefined) this.release(...oldest);
    }
    return file;
  }

  private release(number: number, file: OpenFile): void {
    this.opened.delete(number);
    try {
      closeSync(file.fd);
    } catch (error) {
      this.failed.push({ number, code: errorCode(error), message: String(error) });
    }
  }
}

/** Leaves blocks of zeros (aligned in the file, or the parts of them that `bytes` has) unwritten: they are holes. */
function writeAroundHoles(fd: number, bytes: Buffer, offset: number): void {
  let start = 0;
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(HOLE_BYTES - ((offset + at) % HOLE_BYTES), bytes.length - at);
    if (bytes.compare(ZEROS, 0, length, at, at + length) === 0) {
      if (at > start) writeFully(fd, bytes.subarray(start, at), at - start, offset + start);
      start = at + length;
    }
    at += length;
  }
  if (start < bytes.length) writeFully(fd, bytes.subarray(start), bytes.length - start, offset + start);
}
