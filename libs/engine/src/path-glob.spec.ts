import { InvalidError } from './errors';
import { pathGlob } from './path-glob';

describe('a pattern of paths', () => {
  it.each([
    ['/home/a', '/home/a', true],
    ['/home/a', '/home/a/b/c', true],
    ['/home/a', '/home/ab', false],
    ['/home/*.iso', '/home/x.iso', true],
    ['/home/*.iso', '/home/d/x.iso', false],
    ['/home/**/*.iso', '/home/d/e/x.iso', true],
    ['/home/**/*.iso', '/home/x.iso', true],
    ['/home/?', '/home/a', true],
    ['/home/?', '/home/ab', false],
    ['/a.b', '/axb', false],
    ['/', '/anything', true],
    ['/*', '/a\nb', true],
  ])('%s and %s', (pattern, path, expected) => {
    expect(pathGlob(Buffer.from(pattern))(Buffer.from(path))).toBe(expected);
  });

  it('is absolute', () => {
    expect(() => pathGlob(Buffer.from('home'))).toThrow(InvalidError);
  });
});
