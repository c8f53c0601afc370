import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_KILL_POINTS } from '#common';
import { loadIdentity, obtainAndSave, saveIdentity } from './identity';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-identity-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const OLD = { serverUrl: 'http://localhost:8000', clientId: 'c', clientName: 'n', secret: 'do-not-print' };
const IDENTITY = { ...OLD, fingerprints: ['ab'.repeat(32)] };

describe('the identity of an agent', () => {
  it('comes back as it was saved, for the owner only', () => {
    const stateDir = join(directory, 'new', 'state');
    expect(loadIdentity(stateDir)).toBeNull();
    saveIdentity(stateDir, IDENTITY, NO_KILL_POINTS);
    expect(loadIdentity(stateDir)).toEqual(IDENTITY);
    expect(statSync(join(stateDir, 'identity.json')).mode & 0o777).toBe(0o600);
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
  });

  it('of before there were fingerprints in it has none', () => {
    writeFileSync(join(directory, 'identity.json'), JSON.stringify(OLD));
    expect(loadIdentity(directory)).toEqual({ ...OLD, fingerprints: [] });
  });

  it('is refused when damaged, without quoting the secret', () => {
    for (const damage of [{ clientId: 7 }, { fingerprints: 'none' }, { fingerprints: [7] }]) {
      writeFileSync(join(directory, 'identity.json'), JSON.stringify({ ...IDENTITY, ...damage }));
      expect(() => loadIdentity(directory)).toThrow(/damaged/);
      expect(() => loadIdentity(directory)).not.toThrow(/do-not-print/);
    }
  });
});

describe('an identity that the server is asked for', () => {
  it('is saved for the owner only, and nothing is left when there is none', async () => {
    const stateDir = join(directory, 'state');
    await expect(obtainAndSave(stateDir, () => Promise.reject(new Error('refused')), NO_KILL_POINTS)).rejects.toThrow(
      'refused',
    );
    expect(readdirSync(stateDir)).toEqual([]);
    await obtainAndSave(stateDir, () => Promise.resolve(IDENTITY), NO_KILL_POINTS);
    expect(loadIdentity(stateDir)).toEqual(IDENTITY);
    expect(readdirSync(stateDir)).toEqual(['identity.json']);
    expect(statSync(join(stateDir, 'identity.json')).mode & 0o777).toBe(0o600);
  });

  itOnSmallDisk('is not asked for when the disk is full, and is kept when it fills up meanwhile', async (disk) => {
    const fill = (): void => {
      expect(() => {
        writeFileSync(join(disk, 'filler'), Buffer.alloc(1_000_000));
      }).toThrow(/ENOSPC/);
    };
    let asked = 0;
    fill();
    const ask = (): Promise<typeof IDENTITY> => {
      asked += 1;
      fill();
      return Promise.resolve(IDENTITY);
    };
    await expect(obtainAndSave(disk, ask, NO_KILL_POINTS)).rejects.toThrow(/ENOSPC/);
    expect(asked).toBe(0);
    expect(readdirSync(disk)).toEqual(['filler']);
    rmSync(join(disk, 'filler'));
    await obtainAndSave(disk, ask, NO_KILL_POINTS);
    expect(loadIdentity(disk)).toEqual(IDENTITY);
  });
});

/** Needs root, for a file system of 128 KiB. */
function itOnSmallDisk(rule: string, test: (disk: string) => Promise<void>): void {
  const mount = (disk: string): boolean =>
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'none', disk]).status === 0;
  const unmount = (disk: string): void => void spawnSync('umount', [disk]);
  const probe = mkdtempSync(join(tmpdir(), 'holdfast-probe-'));
  const canMount = mount(probe);
  if (canMount) unmount(probe);
  rmSync(probe, { recursive: true });
  (canMount ? it : it.skip)(`${rule} (needs root)`, async () => {
    const disk = join(directory, 'disk');
    mkdirSync(disk);
    mount(disk);
    try {
      await test(disk);
    } finally {
      unmount(disk);
    }
  });
}
