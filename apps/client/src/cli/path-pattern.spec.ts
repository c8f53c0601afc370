import fc from 'fast-check';
import { decodeArgument } from './argument-bytes';
import { PathPattern } from './path-pattern';

function matches(pattern: string, path: string | Buffer, isDirectory = false): boolean {
  return PathPattern.parse(pattern).matches(Buffer.from(path), isDirectory);
}

describe('a path pattern', () => {
  it.each([
    ['*.md', '/a/b/x.md', true],
    ['*.md', '/a/x.md/y', false],
    ['x.md', '/x.md', true],
    ['x.md', '/ax.md', false],
    ['X.md', '/x.md', false],
    ['/a/*.md', '/a/x.md', true],
    ['/a/*.md', '/a/b/x.md', false],
    ['a/*.md', '/a/x.md', true],
    ['a/*.md', '/b/a/x.md', false],
    ['/a/**/x', '/a/x', true],
    ['/a/**/x', '/a/b/c/x', true],
    ['/a/**/x', '/b/a/x', false],
    ['**/b/x', '/a/b/x', true],
    ['/a/**', '/a', false],
    ['/a/**', '/a/b/c', true],
    ['**', '/', false],
    ['/', '/', true],
    ['?', '/é', true],
    ['??', '/é', false],
    ['[a-c]x', '/bx', true],
    ['[!a-c]x', '/bx', false],
    ['[^a-c]x', '/dx', true],
    ['[]]', '/]', true],
    ['[a-]', '/-', true],
    ['\\*', '/*', true],
    ['\\*', '/x', false],
    ['!x', '/!x', true],
    ['a*b*c', '/aXbXbXc', true],
    ['a*b*c', '/aXbXbX', false],
    ['**a', '/xa', true],
  ])('%j against %j: %j', (pattern, path, expected) => {
    expect(matches(pattern, path)).toBe(expected);
  });

  it('with a slash at its end asks for directories', () => {
    expect(matches('b/', '/a/b', true)).toBe(true);
    expect(matches('b/', '/a/b', false)).toBe(false);
    expect(matches('/a/b/', '/a/b', true)).toBe(true);
  });

  it('matches names that are no text', () => {
    const path = Buffer.from([0x2f, 0x61, 0xff, 0x2f, 0x62]);
    expect(matches('a?/b', path)).toBe(true);
    expect(matches(`a${decodeArgument(Buffer.from([0xff]))}/b`, path)).toBe(true);
    expect(matches(`a${decodeArgument(Buffer.from([0xfe]))}/b`, path)).toBe(false);
    expect(matches('b', path)).toBe(true);
  });

  it.each(['', '[x', 'a//b', 'x\\', '[a-'])('refuses %j', (pattern) => {
    expect(() => PathPattern.parse(pattern)).toThrow();
  });

  it('that escapes every character matches the path itself and no other', () => {
    const name = fc.stringMatching(/^[a-c*?[\]\\!^-]{1,6}$/);
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join('/')}`);
    fc.assert(
      fc.property(path, path, (one, other) => {
        const pattern = one.replace(/[*?[\]\\]/g, '\\$&');
        expect(matches(pattern, one)).toBe(true);
        expect(matches(pattern, other)).toBe(one === other);
      }),
    );
  });

  it('of many stars is answered at once', () => {
    expect(matches(`${'*a'.repeat(60)}b`, `/${'a'.repeat(1_000)}`)).toBe(false);
    expect(matches(`/${'**/a/'.repeat(60)}b`, '/a'.repeat(1_000))).toBe(false);
  });
});
