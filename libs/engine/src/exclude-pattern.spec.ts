import { excludePatternProblem } from './exclude-pattern';

describe('an exclude', () => {
  it.each<[string, string]>([
    ['#recycle', 'write "\\#"'],
    ['', 'empty pattern'],
    ['!', 'empty pattern'],
    ['  ', 'empty pattern'],
    ['/', 'never excluded itself'],
    ['!/', 'never excluded itself'],
    ['//', 'empty name'],
    ['a//b', 'empty name'],
    ['./x/cache', '"."'],
    ['e2/x/../d', '".."'],
    ['/home/ada/./d', '"."'],
    ['..', '".."'],
    ['x/.', '"."'],
    ['!../x/', '".."'],
    ['a\\', 'backslash'],
    ['[', '"[" without "]"'],
    ['!a[b', '"[" without "]"'],
    ['a/[b/c', '"[" without "]"'],
    ['[]', '"[" without "]"'],
    ['[z-a]', '"z-a" is no range'],
    ['[!b\\]-\\[]', '"]-[" is no range'],
  ])('that can match nothing is told: %j', (pattern, told) => {
    expect(excludePatternProblem(pattern)).toContain(told);
  });

  it.each([
    ...['\\#recycle', '!#x', 'a#', '*.tmp', '**/cache/', '/srv/x', 'a\\ ', 'b  ', '[!a-z]*', '[a-a]', '[]x]', '[a-]'],
    ...['[^]-]', '\\[x', '.cache', '..x', '...', 'x./y', '**', '?', '[[:alpha:]]', '[\\]a]', 'ä/[ä-ö]', ' x'],
  ])('that may match something is taken: %j', (pattern) => {
    expect(excludePatternProblem(pattern)).toBeNull();
  });
});
