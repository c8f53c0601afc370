/** `isOwn`: the bytes have memory of their own, and nothing else is in it; else it may be the source's. */
export type TakenBytes =
  { readonly bytes: Buffer<ArrayBuffer>; readonly isOwn: true } | { readonly bytes: Buffer; readonly isOwn: false };

/**
 * Reads exact lengths from a stream of pieces of any length. Holds what was asked for plus one piece, no more. `spent` is called
 * with pieces that were copied and that nobody saw: their memory can be used again.
 */
export class ByteReader {
  private readonly source: AsyncIterator<Uint8Array>;
  private pieces: Buffer[] = [];
  private held = 0;

  constructor(
    source: AsyncIterable<Uint8Array>,
    private readonly spent: (piece: Uint8Array) => void = () => undefined,
  ) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** The next `length` bytes without moving on; fewer only when the stream ends before. May share the source's memory. */
  async peek(length: number): Promise<Buffer> {
    while (this.held < length) {
      const next = await this.source.next();
      if (next.done === true) break;
      const piece = next.value;
      this.pieces.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
      this.held += piece.byteLength;
    }
    const [first] = this.pieces;
    const joined = this.pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.pieces);
    this.pieces = joined.length === 0 ? [] : [joined];
    return joined.subarray(0, length);
  }

  /** As peek, and moves on. What has to be put together from several pieces has memory of its own, and was copied once. */
  async take(length: number): Promise<TakenBytes> {
    if (this.held < length) return { bytes: await this.gather(length), isOwn: true };
    const bytes = await this.peek(length);
    const rest = this.pieces[0]?.subarray(bytes.length);
    this.held -= bytes.length;
    this.pieces = rest === undefined || rest.length === 0 ? [] : [rest];
    return { bytes, isOwn: false };
  }

  private async gather(length: number): Promise<Buffer<ArrayBuffer>> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    for (const piece of this.pieces) filled += piece.copy(bytes, filled);
    this.pieces = [];
    this.held = 0;
    while (filled < length) {
      const next = await this.source.next();
      if (next.done === true) return bytes.subarray(0, filled);
      const piece = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
      const used = piece.copy(bytes, filled);
      filled += used;
      if (used < piece.length) {
        this.pieces = [piece.subarray(used)];
        this.held = piece.length - used;
      } else {
        this.spent(next.value);
      }
    }
    return bytes;
  }

  /** Tells the source that no more is wanted. Harmless after its end. */
  async close(): Promise<void> {
    await this.source.return?.();
  }
}
