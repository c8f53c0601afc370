import { type SpoolFile } from './spool-file';

const ROWS_PER_PAGE = 512;
const MAX_PAGES = 64;

/**
 * Rows of one length in a spool file, read and replaced through a bounded number of pages in memory, so that work in
 * about the order of the rows costs no system call for each. Replaced rows must be looked at through this class only.
 * Reads never write: on a full disk only `replace` fails, and what has to be cleaned up can still be looked up.
 */
export class PagedRows {
  /** By page number, oldest first; pages that differ from the file apart. At most 64 of each. */
  private readonly clean = new Map<number, Buffer>();
  private readonly dirty = new Map<number, Buffer>();
  private lastNumber = -1;
  private lastPage: Buffer = Buffer.alloc(0);
  /** Memory of a page that is not looked at any more: thousands of them would wait for V8 to collect them. */
  private spare: Buffer | null = null;

  constructor(
    private readonly file: SpoolFile,
    private readonly rowBytes: number,
  ) {}

  /** Where row `index` begins in the buffer that {@link page} returns for it. */
  offset(index: number): number {
    return (index % ROWS_PER_PAGE) * this.rowBytes;
  }

  /** The page with row `index`, for looking only; holds until the next call. */
  page(index: number): Buffer {
    const number = Math.floor(index / ROWS_PER_PAGE);
    const end = this.offset(index) + this.rowBytes;
    if (number === this.lastNumber && end <= this.lastPage.length) return this.lastPage;
    const known = this.dirty.get(number) ?? this.clean.get(number);
    // A page that was loaded while it was the last one may be shorter than it is now.
    const page = known !== undefined && end <= known.length ? known : this.load(number, known);
    this.lastNumber = number;
    this.lastPage = page;
    return page;
  }

  replace(index: number, row: Buffer): void {
    this.edit(index).set(row, this.offset(index));
  }

  /** The page with row `index`, to be changed at once: it holds until the next call. */
  edit(index: number): Buffer {
    const page = this.page(index);
    const number = this.lastNumber;
    if (this.dirty.has(number)) return page;
    this.clean.delete(number);
    this.dirty.set(number, page);
    if (this.dirty.size > MAX_PAGES) this.writeOldest();
    return page;
  }

  private load(number: number, known: Buffer | undefined): Buffer {
    const start = number * ROWS_PER_PAGE * this.rowBytes;
    const memory = this.spare ?? Buffer.allocUnsafeSlow(ROWS_PER_PAGE * this.rowBytes);
    this.spare = null;
    const page = memory.subarray(0, Math.min(memory.length, this.file.length - start));
    this.file.readInto(page, start);
    if (this.dirty.has(number)) {
      if (known !== undefined) page.set(known);
      this.dirty.set(number, page);
    } else {
      this.keep(number, page);
    }
    return page;
  }

  private writeOldest(): void {
    const [oldest] = this.dirty;
    if (oldest === undefined) return;
    const [number, page] = oldest;
    this.file.overwrite(number * ROWS_PER_PAGE * this.rowBytes, page);
    this.dirty.delete(number);
    this.keep(number, page);
  }

  private keep(number: number, page: Buffer): void {
    this.clean.set(number, page);
    if (this.clean.size <= MAX_PAGES) return;
    const [oldest] = this.clean;
    if (oldest === undefined) return;
    const [evicted, bytes] = oldest;
    this.clean.delete(evicted);
    // Not the one that was asked for last: it holds until the next call.
    if (bytes !== this.lastPage) this.spare = Buffer.from(bytes.buffer);
  }
}
