import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { encodeIndexHeader, encodeIndexRecord, type IndexHeader, RecordStreamEncoder } from '#engine';
import type { CarriedLines, IndexLine } from './window';

/** Writes the next index, and counts what the snapshot will hold. */
export class IndexWriter {
  files = 0;
  directories = 0;
  logicalBytes = 0;
  private readonly fd: number;
  private readonly encoder = new RecordStreamEncoder('index');
  private isOpen = true;

  constructor(path: string, header: IndexHeader) {
    this.fd = openSync(path, 'w', 0o600);
    this.write(this.encoder.add(encodeIndexHeader(header)));
  }

  /** In walk order. */
  add({ record, kind, size }: IndexLine): void {
    this.write(this.encoder.add(encodeIndexRecord(record)));
    if (kind === 'directory') this.directories += 1;
    else this.files += 1;
    this.logicalBytes += size;
  }

  addCarried({ framed, count, directories, logicalBytes }: CarriedLines): void {
    this.write(this.encoder.addFramed(framed, count));
    this.directories += directories;
    this.files += count - directories;
    this.logicalBytes += logicalBytes;
  }

  /** Complete and on disk when it returns. */
  finish(): void {
    this.write(this.encoder.finish());
    fsyncSync(this.fd);
    this.close();
  }

  /** May be called twice. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    closeSync(this.fd);
  }

  private write(bytes: Buffer | null): void {
    if (bytes === null) return;
    for (let offset = 0; offset < bytes.length;) offset += writeSync(this.fd, bytes, offset);
    this.encoder.recycle(bytes);
  }
}
