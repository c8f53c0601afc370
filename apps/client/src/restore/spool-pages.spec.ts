import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSpools, type SpoolFile, SpoolPages } from './spool-file';

const PAGE = 32 * 1024;

describe('SpoolPages', () => {
  let directory: string;
  let file: SpoolFile;
  const bytes = Buffer.from(Uint8Array.from({ length: 40 * PAGE }, (_, at) => (at * 7 + (at >> 8)) & 255));
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'spool-pages-'));
    file = createSpools(directory, ['one']).one;
  });
  afterEach(() => {
    file.close();
    rmSync(directory, { recursive: true });
  });

  it('reads records anywhere, over ends of pages too, and again when their page was put away', () => {
    file.append(bytes);
    const pages = new SpoolPages(file);
    const places = Array.from({ length: 400 }, (_, at) => (at * 99_991) % (bytes.length - 5_000));
    for (const at of [...places, ...places.toReversed(), PAGE - 1, 2 * PAGE, bytes.length - 5_000]) {
      expect(pages.read(at, 5_000).equals(bytes.subarray(at, at + 5_000))).toBe(true);
    }
    expect(pages.read(10, 3 * PAGE).equals(bytes.subarray(10, 10 + 3 * PAGE))).toBe(true);
    expect(pages.read(7, 0)).toHaveLength(0);
  });

  it('gives out memory that later readings leave alone', () => {
    file.append(bytes);
    const pages = new SpoolPages(file);
    const first = pages.read(0, 100);
    for (let page = 1; page < 40; page += 1) pages.read(page * PAGE, 100);
    expect(first.equals(bytes.subarray(0, 100))).toBe(true);
  });

  it('reads what was appended to a page that it has', () => {
    file.append(bytes.subarray(0, 100));
    const pages = new SpoolPages(file);
    expect(pages.read(0, 100).equals(bytes.subarray(0, 100))).toBe(true);
    file.append(bytes.subarray(100, 2 * PAGE));
    expect(pages.read(50, PAGE).equals(bytes.subarray(50, 50 + PAGE))).toBe(true);
  });

  it('does not make up what is not there', () => {
    file.append(bytes.subarray(0, 100));
    const pages = new SpoolPages(file);
    expect(() => pages.read(50, 100)).toThrow('shorter than what was written');
    expect(() => pages.read(PAGE, 1)).toThrow('shorter than what was written');
  });
});
