import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { openOwnSpool } from './own-spool';

const MINUTE_MS = 60_000;

describe('the spool of a server', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-own-spool-'));
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
  });
  afterEach(() => {
    jest.useRealTimers();
    rmSync(folder, { recursive: true, force: true });
  });

  /** As another server left it, so many minutes ago. */
  function spoolOf(name: string, minutesAgo: number): string {
    const path = join(folder, name);
    mkdirSync(path);
    writeFileSync(join(path, 'upload'), 'bytes');
    const then = (Date.now() - minutesAgo * MINUTE_MS) / 1_000;
    utimesSync(path, then, then);
    return path;
  }

  it('that cannot be made is refused with setting, path and reason', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(openOwnSpool(file)).rejects.toThrow(
      `SPOOL_PATH: ${file} cannot be used (EEXIST): it must be a folder`,
    );
  });

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }

  it('is its own: that of another server which lives, in whatever container, stays', async () => {
    const own = await openOwnSpool(folder);
    const other = await openOwnSpool(folder);
    spoolOf(`spool-${process.pid}-before`, 5);
    spoolOf('spool-1-abcdef', 14);
    await openOwnSpool(folder);
    expect(readdirSync(folder)).toEqual(
      expect.arrayContaining([basename(own), basename(other), `spool-${process.pid}-before`, 'spool-1-abcdef']),
    );
  });

  it('takes those away that have given no sign of life for long, and nothing else', async () => {
    const dead = spoolOf('spool-1-dead', 16);
    const stranger = spoolOf('not ours', 60);
    await openOwnSpool(folder);
    expect(existsSync(dead)).toBe(false);
    expect(existsSync(stranger)).toBe(true);
  });

  it('gives a sign of life once a minute, is made again when it was taken away, and looks again for the dead', async () => {
    const own = await openOwnSpool(folder);
    const died = spoolOf('spool-died', 0);
    const then = Date.now() / 1_000 - 3_600;
    utimesSync(died, then, then);
    rmSync(own, { recursive: true });
    jest.advanceTimersByTime(MINUTE_MS);
    await until(() => existsSync(own) && !existsSync(died));
    expect(readdirSync(own)).toEqual([]);
  });
});
