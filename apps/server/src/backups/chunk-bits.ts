/** One bit a chunk, by its row number: 10 million chunks are 1.25 MB. */
export class ChunkBits {
  private bits = new Uint8Array(4_096);

  has(no: number): boolean {
    return ((this.bits[Math.floor(no / 8)] ?? 0) & (1 << (no % 8))) !== 0;
  }

  /** True when it was not set. */
  add(no: number): boolean {
    const at = Math.floor(no / 8);
    if (at >= this.bits.length) this.grow(at + 1);
    const byte = this.bits[at] ?? 0;
    const bit = 1 << (no % 8);
    if ((byte & bit) !== 0) return false;
    this.bits[at] = byte | bit;
    return true;
  }

  /** The numbers, ascending, in slices of at most `size`. */
  *slices(size: number): Generator<number[], void, undefined> {
    let slice: number[] = [];
    for (let at = 0; at < this.bits.length; at += 1) {
      const byte = this.bits[at] ?? 0;
      for (let bit = 0; byte >> bit !== 0; bit += 1) {
        if ((byte & (1 << bit)) === 0) continue;
        if (slice.push(at * 8 + bit) < size) continue;
        yield slice;
        slice = [];
      }
    }
    if (slice.length > 0) yield slice;
  }

  private grow(length: number): void {
    const grown = new Uint8Array(Math.max(length, 2 * this.bits.length));
    grown.set(this.bits);
    this.bits = grown;
  }
}
