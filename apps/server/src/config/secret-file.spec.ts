import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadOrCreateSecret } from './secret-file';

describe('loadOrCreateSecret', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-secret-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('makes the secret once, for the owner only, and gives the same one ever after', async () => {
    const file = join(folder, 'deep', 'secret');
    const made = await loadOrCreateSecret(file, () => 'first');
    expect(made).toBe('first');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await expect(loadOrCreateSecret(file, () => 'second')).resolves.toBe('first');
  });

  it('gives everybody the same secret when several start at once, and leaves no other file', async () => {
    const file = join(folder, 'secret');
    let count = 0;
    const all = await Promise.all(
      Array.from({ length: 20 }, () => loadOrCreateSecret(file, () => `secret ${String((count += 1))}`)),
    );
    expect(new Set(all)).toEqual(new Set([readFileSync(file, 'utf8').trim()]));
    expect(readdirSync(folder)).toEqual(['secret']);
  });

  it('names the path when it cannot be kept', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(loadOrCreateSecret(join(file, 'secret'), () => 'x')).rejects.toThrow(
      `BACKUP_STORAGE_PATH: ${join(file, 'secret')} cannot be read or made (ENOTDIR)`,
    );
  });

  it('takes the rights of others away from a file that was opened to them', async () => {
    const file = join(folder, 'secret');
    writeFileSync(file, 'kept\n');
    chmodSync(file, 0o644);
    await expect(loadOrCreateSecret(file, () => 'new')).resolves.toBe('kept');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('does not take a file that it cannot read for one that is not there', async () => {
    await expect(loadOrCreateSecret(folder, () => 'new')).rejects.toThrow(/EISDIR/);
  });
});
