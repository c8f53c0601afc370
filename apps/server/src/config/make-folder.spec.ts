import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDirectoryDurably } from '../storage/durable-files';
import { makeFolder } from './make-folder';

describe('a folder that is made where it is missing', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-folder-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const ways = [
    ['at once', (path: string): Promise<void> => Promise.resolve(path).then(makeFolder)],
    ['durably', makeDirectoryDurably],
  ] as const;

  it.each(ways)('has those above it made too, and may be there already (%s)', async (_how, make) => {
    const path = join(folder, 'a', 'b', 'c');
    await make(path);
    await make(path);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it.each(ways)('is refused below a file (%s)', async (_how, make) => {
    writeFileSync(join(folder, 'file'), '');
    await expect(make(join(folder, 'file', 'below', 'it'))).rejects.toThrow(/ENOTDIR|EEXIST/);
  });

  // Node's own `recursive` never ends there: of Linux only.
  if (existsSync('/proc/self')) {
    it.each(ways)(
      'is given up where the system makes none, and says that there is none above it (%s)',
      async (_how, make) => {
        await expect(make('/proc/holdfast/data')).rejects.toThrow('ENOENT');
      },
    );
  }
});
