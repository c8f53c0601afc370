import type { NativeCalls } from '../system/native-calls';
import type { FileStat } from '../system/file-stat';

/** A stretch of a file that holds data, or none. */
export interface Extent {
  readonly isHole: boolean;
  readonly end: number;
}

/** Tells data from holes while a file is read front to back. */
export class Extents {
  private current: Extent = { isHole: false, end: 0 };
  private sawHole = false;

  /** `native` null: the file is taken as one stretch of data. */
  constructor(
    private readonly fd: number,
    private readonly size: number,
    private readonly native: NativeCalls | null,
  ) {}

  get hasHoles(): boolean {
    return this.sawHole;
  }

  /** The stretch that `position` (below the size, never less than before) lies in. */
  at(position: number): Extent {
    if (position >= this.current.end) this.current = this.find(position);
    return this.current;
  }

  private find(position: number): Extent {
    if (this.native === null) return { isHole: false, end: this.size };
    const data = this.native.seekData(this.fd, position);
    if (data === null || data > position) {
      this.sawHole = true;
      return { isHole: true, end: Math.min(data ?? this.size, this.size) };
    }
    const hole = this.native.seekHole(this.fd, position);
    // A file that is changed meanwhile may say anything; the stat after reading finds out. Only go on.
    return { isHole: false, end: hole > position ? Math.min(hole, this.size) : this.size };
  }
}

/** Fewer blocks than its size needs: worth asking for holes. (Files that the file system compresses look so too.) */
export function mayHaveHoles(stat: FileStat): boolean {
  return stat.size > 0n && stat.blocks * 512n < stat.size;
}
