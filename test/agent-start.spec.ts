import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { temporaryFolder } from './support/processes';

const MAIN = resolve(__dirname, '../dist/apps/client/src/main.js');

describe('the start of the agent', () => {
  const folder = temporaryFolder('start');
  const tell = join(folder.path, 'tell.cjs');
  afterAll(() => {
    folder.remove();
  });

  /** Packages and built-in modules that a command loaded. */
  const loadedBy = (
    stateDir: string,
    ...words: string[]
  ): { packages: string[]; builtIn: string[]; stderr: string } => {
    writeFileSync(
      tell,
      `process.on('exit', () => process.stdout.write('\\n' + JSON.stringify({
        packages: [...new Set(Object.keys(require.cache).flatMap((file) => /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(file)?.[1] ?? []))],
        builtIn: process.moduleLoadList.filter((name) => name.startsWith('NativeModule ')).map((name) => name.slice(13)),
      })));`,
    );
    const env = { ...process.env, HOLDFAST_STATE_DIR: stateDir };
    const { stdout, stderr } = spawnSync(process.execPath, ['--require', tell, MAIN, ...words], {
      env,
      encoding: 'utf8',
    });
    const told = JSON.parse(stdout.slice(stdout.lastIndexOf('\n'))) as { packages: string[]; builtIn: string[] };
    return { ...told, stderr };
  };
  const stateDirectory = (name: string, mode = 0o700): string => {
    const path = join(folder.path, name);
    mkdirSync(path);
    chmodSync(path, mode);
    return path;
  };

  it('loads what its command needs: no validators, native library, database or TLS for a backup', () => {
    const { packages, builtIn, stderr } = loadedBy(join(folder.path, 'none'), 'backup', folder.path);
    expect(stderr).toContain('not enrolled');
    expect(packages).toEqual(['commander']);
    for (const heavy of ['tls', 'https', 'http2', 'worker_threads']) expect(builtIn).not.toContain(heavy);
  });

  it('keeps compiled code in its state directory', () => {
    const stateDir = stateDirectory('state');
    loadedBy(stateDir, 'snapshots');
    expect(existsSync(join(stateDir, 'compile-cache'))).toBe(true);
    expect(loadedBy(stateDir, 'snapshots').stderr).toContain('not enrolled');
  });

  it('makes no state directory for that, and trusts none that others can write', () => {
    loadedBy(join(folder.path, 'none'), 'snapshots');
    expect(existsSync(join(folder.path, 'none'))).toBe(false);
    const shared = stateDirectory('shared', 0o777);
    loadedBy(shared, 'snapshots');
    expect(existsSync(join(shared, 'compile-cache'))).toBe(false);
    const linked = stateDirectory('linked');
    symlinkSync(stateDirectory('elsewhere'), join(linked, 'compile-cache'));
    loadedBy(linked, 'snapshots');
    expect(readdirSync(join(folder.path, 'elsewhere'))).toEqual([]);
  });
});
