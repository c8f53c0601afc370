import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { normaliseRoots, rootsThatAreLinks } from './roots';
import { Workspace } from './workspace.testing';

let work: Workspace;
beforeEach(() => {
  work = new Workspace();
  mkdirSync(work.path('a/b'), { recursive: true });
  symlinkSync('a', work.path('link'));
});
afterEach(() => {
  work.remove();
});

const roots = (...paths: string[]) =>
  normaliseRoots(
    paths.map((path) => Buffer.from(path, 'latin1')),
    Buffer.from(work.source),
  ).map((path) => path.toString('latin1').replace(`${work.source}/`, ''));

describe('roots', () => {
  it('lose duplicates and what is nested in another', () => {
    expect(roots('a', 'a/', './a', 'a/b', 'link/b', 'a//b')).toEqual(['a']);
  });

  it('have parents without symlinks, and keep their own last name', () => {
    expect(roots('link')).toEqual(['link']);
    expect(roots('link/.')).toEqual(['a']);
    expect(roots('link/b/..')).toEqual(['a']);
    expect(roots('link/b')).toEqual(['a/b']);
  });

  it('are what a link leads to when it is written with a slash at the end', () => {
    symlinkSync('nowhere', work.path('dangling'));
    expect(roots('link/')).toEqual(['a']);
    expect(roots('link//')).toEqual(['a']);
    expect(roots('a/b/')).toEqual(['a/b']);
    expect(roots('missing/')).toEqual(['missing']);
  });

  it('keep their name while what a link leads to is not mounted', () => {
    symlinkSync('nowhere', work.path('dangling'));
    symlinkSync(work.path('disk/data'), work.path('usb'));
    symlinkSync('self', work.path('self'));
    expect(roots('dangling/', 'dangling/.', 'dangling/b', 'usb/')).toEqual(['disk/data', 'nowhere']);
    expect(roots('usb/x')).toEqual(['disk/data/x']);
    expect(roots('usb')).toEqual(['usb']);
    expect(roots('self/')).toEqual(['self']);
    mkdirSync(work.path('disk/data'), { recursive: true });
    expect(roots('usb/')).toEqual(['disk/data']);
  });

  it('tell which of them are links', () => {
    writeFileSync(work.path('file'), '');
    const paths = ['a', 'link', 'missing', 'file/below'].map((path) => Buffer.from(work.path(path)));
    expect(rootsThatAreLinks(paths).map(String)).toEqual([work.path('link')]);
    expect(rootsThatAreLinks([Buffer.from('/link')], Buffer.from(work.source)).map(String)).toEqual(['/link']);
  });

  it('may be missing, with or without their parents', () => {
    expect(roots('link/new', 'x/y/../z')).toEqual(['a/new', 'x/z']);
  });

  it('are bytes', () => {
    expect(roots('\xff\xfe\n')).toEqual(['\xff\xfe\n']);
  });

  it('may be everything', () => {
    expect(roots('/', 'a')).toEqual(['/']);
  });

  it('are in walk order', () => {
    expect(roots('a b', 'a/b', 'a.')).toEqual(['a/b', 'a b', 'a.']);
  });

  it('cannot be empty', () => {
    expect(() => roots('')).toThrow(/empty path/);
  });
});
