import { closeSync, constants, mkdtempSync, openSync, readSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { inStateDirectory } from './restore-error';

const BUFFER_BYTES = 256 * 1024;

/**
 * A private file on disk for what does not fit memory. It has no name from the moment it exists, so that a killed
 * restore leaves nothing behind. Appends are buffered; reads see them. Errors are those of the file system.
 */
export class SpoolFile {
  private pending = Buffer.allocUnsafe(BUFFER_BYTES);
  private pendingBytes = 0;
  private flushedBytes = 0;

  private constructor(private readonly fd: number) {}

  static create(directory: string, name: string): SpoolFile {
    const path = join(directory, name);
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    unlinkSync(path);
    return new SpoolFile(fd);
  }

  get length(): number {
    return this.flushedBytes + this.pendingBytes;
  }

  /** Returns the offset of the first byte. */
  append(...parts: readonly Uint8Array[]): number {
    const start = this.length;
    for (const part of parts) this.appendOne(part);
    return start;
  }

  /** Exactly `length` bytes at `offset`, in memory of their own. */
  read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    this.readInto(bytes, offset);
    return bytes;
  }

  readInto(bytes: Buffer, offset: number): void {
    if (offset + bytes.length > this.flushedBytes) this.flush();
    for (let done = 0; done < bytes.length;) {
      const count = readSync(this.fd, bytes, done, bytes.length - done, offset + done);
      if (count === 0) throw new Error('a spool file is shorter than what was written to it');
      done += count;
    }
  }

  /** Replaces bytes that were appended before. */
  overwrite(offset: number, bytes: Buffer): void {
    if (offset + bytes.length > this.flushedBytes) this.flush();
    this.write(bytes, bytes.length, offset);
  }

  close(): void {
    closeSync(this.fd);
  }

  private appendOne(part: Uint8Array): void {
    if (this.pendingBytes + part.length > BUFFER_BYTES) this.flush();
    if (part.length > BUFFER_BYTES) {
      this.write(part, part.length, this.flushedBytes);
      this.flushedBytes += part.length;
      return;
    }
    this.pending.set(part, this.pendingBytes);
    this.pendingBytes += part.length;
  }

  /** Puts on disk what was appended: a full disk is told here and not while something is being cleaned up. */
  flush(): void {
    this.write(this.pending, this.pendingBytes, this.flushedBytes);
    this.flushedBytes += this.pendingBytes;
    this.pendingBytes = 0;
  }

  private write(bytes: Uint8Array, length: number, position: number): void {
    inStateDirectory(() => {
      writeFully(this.fd, bytes, length, position);
    });
  }
}

/** Spool files made in a private directory that is gone again at once. The caller closes each. */
export function createSpools<Name extends string>(parent: string, names: readonly Name[]): Record<Name, SpoolFile> {
  const directory = inStateDirectory(() => mkdtempSync(join(parent, 'spool-')));
  const files: SpoolFile[] = [];
  try {
    for (const name of names) files.push(inStateDirectory(() => SpoolFile.create(directory, name)));
    return Object.fromEntries(names.map((name, at) => [name, files[at]])) as Record<Name, SpoolFile>;
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  } finally {
    rmdirSync(directory);
  }
}

/** Sequential reader of a spool file with one buffer; records must not be longer than `maxBytes` at a time. */
export class SpoolReader {
  private window: Buffer = Buffer.alloc(0);
  private windowStart = 0;

  constructor(
    private readonly file: SpoolFile,
    private readonly windowBytes = BUFFER_BYTES,
  ) {}

  /** A view that holds until the next call. */
  read(offset: number, length: number): Buffer {
    const end = offset + length;
    if (offset < this.windowStart || end > this.windowStart + this.window.length) {
      const bytes = Math.max(length, Math.min(this.windowBytes, this.file.length - offset));
      this.window = this.file.read(offset, bytes);
      this.windowStart = offset;
    }
    return this.window.subarray(offset - this.windowStart, end - this.windowStart);
  }
}

const PAGE_BYTES = 32 * 1024;
const MAX_PAGES = 24;

/**
 * Reads records here and there in a spool file of which nothing is overwritten: pages of it stay in memory, those used last. What a
 * block of a restore needs lies within some hundred KiB of entries, in another order than they do.
 */
export class SpoolPages {
  /** By page number, oldest first. */
  private readonly pages = new Map<number, Buffer>();

  constructor(private readonly file: SpoolFile) {}

  /** In memory of their own. */
  read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const at = offset + done;
      const copied = this.page(Math.floor(at / PAGE_BYTES)).copy(bytes, done, at % PAGE_BYTES);
      if (copied === 0) throw new Error('a spool file is shorter than what was written to it');
      done += copied;
    }
    return bytes;
  }

  private page(number: number): Buffer {
    const known = this.pages.get(number);
    const isWhole =
      known?.length === PAGE_BYTES || (known !== undefined && this.file.length <= number * PAGE_BYTES + known.length);
    if (known !== undefined && isWhole) {
      this.pages.delete(number);
      this.pages.set(number, known);
      return known;
    }
    const start = number * PAGE_BYTES;
    const page = this.spare().subarray(0, Math.max(0, Math.min(PAGE_BYTES, this.file.length - start)));
    this.file.readInto(page, start);
    this.pages.set(number, page);
    return page;
  }

  /** Memory for a page: that of the one which was not used for longest, when there are enough. */
  private spare(): Buffer {
    const [oldest] = this.pages;
    if (oldest === undefined || this.pages.size < MAX_PAGES) return Buffer.allocUnsafeSlow(PAGE_BYTES);
    this.pages.delete(oldest[0]);
    return Buffer.from(oldest[1].buffer);
  }
}

export function writeFully(fd: number, bytes: Uint8Array, length: number, position: number): void {
  for (let done = 0; done < length;) done += writeSync(fd, bytes, done, length - done, position + done);
}
