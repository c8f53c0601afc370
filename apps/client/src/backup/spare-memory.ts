import { nativeCalls } from '../system/native-calls';

/** Between windows of large files, and of small ones, there is more. */
const MUCH_BYTES = 4 * 1024 * 1024;

/**
 * Pieces of memory that are used again. After large files come small ones, which need a quarter of it: the pages of a piece that
 * were not needed lately go back to the system, else everything that comes later would count on top of them (measured: 80 MB).
 */
export class SpareMemory {
  private readonly spare: Buffer[] = [];
  /** Bytes of a piece that may have pages. */
  private readonly touched = new WeakMap<Buffer, number>();

  /** `forget`: see MemoryCalls; null (where there are no native calls): pages stay. */
  constructor(
    private readonly pieceBytes: number,
    private readonly forget: ((memory: Buffer) => void) | null = nativeCalls()?.memory?.forget ?? null,
  ) {}

  /** At least `length` bytes; what they hold is not said. */
  take(length = this.pieceBytes): Buffer {
    const piece = this.spare.pop();
    if (piece !== undefined && piece.length >= length) return piece;
    return Buffer.allocUnsafeSlow(Math.max(this.pieceBytes, length));
  }

  /** Nobody uses it any more; its first `usedBytes` were written since it was taken. */
  giveBack(piece: Buffer, usedBytes: number): void {
    const touched = Math.max(this.touched.get(piece) ?? 0, usedBytes);
    const isSpare = this.forget !== null && touched - usedBytes >= MUCH_BYTES;
    if (isSpare) this.forget(piece);
    this.touched.set(piece, isSpare ? 0 : touched);
    this.spare.push(piece);
  }
}
