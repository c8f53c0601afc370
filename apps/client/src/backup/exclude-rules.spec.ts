import { ExcludeRules } from './exclude-rules';

const ROOTS = [Buffer.from('/srv/build'), Buffer.from('/home/[me] !')];

function excluded(patterns: readonly string[], path: string | Buffer, isDirectory = false): boolean {
  return new ExcludeRules(patterns, ROOTS).isExcluded(Buffer.from(path), isDirectory);
}

describe('exclude patterns', () => {
  it.each<[string[], string, boolean, boolean]>([
    [['*.tmp'], '/srv/build/a/b.tmp', false, true],
    [['*.tmp'], '/srv/build/a/b.TMP', false, false],
    [['cache/'], '/srv/build/cache', true, true],
    [['cache/'], '/srv/build/cache', false, false],
    [['/srv/build/out'], '/srv/build/out', true, true],
    [['/out'], '/srv/build/out', true, false],
    [['/srv/build/out'], '/srv/build/x/srv/build/out', true, false],
    [['*.log', '!keep.log'], '/srv/build/keep.log', false, false],
    [['build'], '/srv/build', true, false],
    [['build'], '/srv/build/x', false, false],
    [['build'], '/srv/build/x/build', true, true],
    [['srv', '[*', 'home'], '/home/[me] !/x', false, false],
    [['**/x/**'], '/srv/build/x/y', false, true],
    [['# a comment', ''], '/srv/build/# a comment', false, false],
  ])('%j on %s (directory: %s): %s', (patterns, path, isDirectory, expected) => {
    expect(excluded(patterns, path, isDirectory)).toBe(expected);
  });

  it('match names that are not UTF-8 as latin1, and the names around them as UTF-8', () => {
    const path = Buffer.concat([Buffer.from('/srv/build/ä/'), Buffer.from([0xff, 0x2e, 0x78])]);
    expect(excluded(['ä/ÿ.x'], path)).toBe(false);
    expect(excluded(['**/ä/ÿ.x'], path)).toBe(true);
    expect(excluded(['*.x'], path)).toBe(true);
  });

  it('take odd names as they are', () => {
    for (const name of ['..x', '...', ' ', 'a\\b', 'a\nb', '-'])
      expect(excluded(['*.tmp'], `/srv/build/${name}`)).toBe(false);
    expect(new ExcludeRules(['*.tmp'], [Buffer.from('/')]).isExcluded(Buffer.from('/...'), false)).toBe(false);
    expect(new ExcludeRules(['*.tmp'], [Buffer.from('/')]).isExcluded(Buffer.from('/'), true)).toBe(false);
  });

  it.each(['build\n', 'build\r', 'build\r\n', 'build\t', 'build ', 'build\\', 'build\\\n', 'a\nbuild', 'build\u2028'])(
    'do not reach a root called %j, nor through it what is in it',
    (name) => {
      const rules = new ExcludeRules(['/srv*', 'build*', 'a*', '*.tmp'], [Buffer.from(`/srv/${name}/deep`)]);
      const isExcluded = (path: string) => rules.isExcluded(Buffer.from(path), true);
      expect(['/srv', `/srv/${name}`, `/srv/${name}/deep`, `/srv/${name}/deep/x`].filter(isExcluded)).toEqual([]);
      expect(isExcluded(`/srv/${name}/deep/x.tmp`)).toBe(true);
      expect(isExcluded(`/srv/${name}/deep/build`)).toBe(true);
    },
  );

  it('do not reach a root whose name is not UTF-8', () => {
    const root = Buffer.concat([Buffer.from('/srv/build'), Buffer.from([0xff, 0x0a])]);
    const rules = new ExcludeRules(['build*', '*.tmp'], [root]);
    expect(rules.isExcluded(root, true)).toBe(false);
    expect(rules.isExcluded(Buffer.concat([root, Buffer.from('/x')]), false)).toBe(false);
    expect(rules.isExcluded(Buffer.concat([root, Buffer.from('/x.tmp')]), false)).toBe(true);
  });
});
