import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_KILL_POINTS } from '#common';
import { loadIdentity, saveIdentity } from './identity';

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
