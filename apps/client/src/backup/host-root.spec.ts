import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathOnHost, placeOnHost, realpathOnHost } from './host-root';
import { Workspace } from './workspace.testing';

const bytes = (text: string): Buffer => Buffer.from(text);

describe('a machine that is seen from a container', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
    mkdirSync(work.path('etc/app'), { recursive: true });
    writeFileSync(work.path('etc/app/file'), 'of the host');
    symlinkSync('/etc/app', work.path('link'));
    symlinkSync('../../../../etc', work.path('etc/up'));
    symlinkSync('loop', work.path('loop'));
  });
  afterEach(() => {
    work.remove();
  });

  it('is read below HOST_ROOT and recorded by its own paths', async () => {
    const outcome = await work.backup({ roots: [bytes('/etc')], hostRoot: work.source, excludes: ['up'] });
    expect(outcome.state).toBe('succeeded');
    expect(work.server.paths('')).toEqual(['', 'etc', 'etc/app', 'etc/app/file']);
    // What is gone there is gone, though this process has an /etc of its own.
    writeFileSync(work.path('etc/app/new'), 'x');
    expect((await work.backup({ roots: [bytes('/link/.')], hostRoot: work.source })).state).toBe('succeeded');
    expect(work.server.paths('/etc')).toEqual(['app', 'app/file', 'app/new']);
  });

  it('resolves links as the machine would, and leads nowhere out of it', () => {
    const root = bytes(work.source);
    const real = (path: string): string => realpathOnHost(root, bytes(path)).toString();
    expect(real('/link/file')).toBe('/etc/app/file');
    expect(real('/etc/up/app')).toBe('/etc/app');
    expect(real('/../../etc')).toBe('/etc');
    expect(() => real('/loop')).toThrow(/ELOOP/);
    expect(() => real('/etc/app/file/x')).toThrow(/ENOTDIR/);
    expect(() => real('/none')).toThrow(/ENOENT/);
  });

  it('is named the one way and the other', () => {
    expect(placeOnHost(bytes('/host'), bytes('/etc')).toString()).toBe('/host/etc');
    expect(placeOnHost(bytes('/host'), bytes('/')).toString()).toBe('/host');
    expect(placeOnHost(bytes('/'), bytes('/etc')).toString()).toBe('/etc');
    expect(pathOnHost(bytes('/host'), bytes('/host/etc')).toString()).toBe('/etc');
    expect(pathOnHost(bytes('/host'), bytes('/hostile')).toString()).not.toMatch(/^\//);
    expect(join('/', pathOnHost(bytes('/host'), bytes('/host')).toString())).toBe('/');
  });
});
