const HEAD_BYTES = 2_048;
const TAIL_BYTES = 14_336;

/**
 * Keeps the beginning and the end of what a command wrote: what it set out to do, and what it failed with. Bytes that are
 * no UTF-8 take three when they are told, and even then it fits LIMITS.outputBytes.
 */
export class BoundedOutput {
  private head = Buffer.alloc(0);
  private tail = Buffer.alloc(0);
  private leftOut = 0;

  add(bytes: Buffer): void {
    const room = HEAD_BYTES - this.head.length;
    if (room > 0) this.head = Buffer.concat([this.head, bytes.subarray(0, room)]);
    const rest = Buffer.concat([this.tail, bytes.subarray(Math.max(0, room))]);
    this.leftOut += Math.max(0, rest.length - TAIL_BYTES);
    this.tail = Buffer.from(rest.subarray(Math.max(0, rest.length - TAIL_BYTES)));
  }

  get isTruncated(): boolean {
    return this.leftOut > 0;
  }

  /** UTF-8; other bytes become U+FFFD. */
  text(): string {
    const gap = this.leftOut === 0 ? '' : `\n[... ${this.leftOut} bytes left out ...]\n`;
    if (gap === '') return Buffer.concat([this.head, this.tail]).toString('utf8');
    return this.head.toString('utf8') + gap + this.tail.toString('utf8');
  }
}
