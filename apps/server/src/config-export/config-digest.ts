import { createHash } from 'node:crypto';

/** Of an export's rows, header aside: two exports that say the same have the same. */
export class ConfigDigest {
  private readonly hash = createHash('sha256');

  add(record: Buffer): void {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(record.length);
    this.hash.update(length).update(record);
  }

  value(): string {
    return this.hash.copy().digest('hex');
  }
}
