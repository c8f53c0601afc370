import fc from 'fast-check';
import { arbitraryName, arbitraryPath } from '../golden/records';
import { InvalidError } from './errors';
import {
  assertName,
  comparePaths,
  isWithin,
  joinPath,
  MAX_NAME_BYTES,
  MAX_PATH_BYTES,
  parsePath,
  splitPath,
} from './path';

const b = (text: string) => Buffer.from(text, 'latin1');

/** Directories as maps of names; null is a file. */
interface Tree {
  [name: string]: Tree | null;
}

const arbitraryTree = fc.letrec<{ tree: Tree; node: Tree | null }>((tie) => ({
  tree: fc.dictionary(
    arbitraryName.map((name) => name.toString('latin1')),
    tie('node'),
    { maxKeys: 5, noNullPrototype: true },
  ),
  node: fc.option(tie('tree'), { depthSize: 'small', maxDepth: 4 }),
}));

describe('paths', () => {
  it('sort as a walk goes: names of a directory in byte order, its content right after it', () => {
    fc.assert(
      fc.property(arbitraryTree.tree, (tree) => {
        const walked = [...walk(b('/'), tree)];
        const sorted = walked.toReversed().sort(comparePaths);
        expect(sorted.map(String)).toEqual(walked.map(String));
      }),
    );
  });

  it('compare by value, and the same both ways', () => {
    fc.assert(
      fc.property(arbitraryPath, arbitraryPath, (x, y) => {
        expect(Math.sign(comparePaths(x, y))).toBe(0 - Math.sign(comparePaths(y, x)));
        expect(comparePaths(x, y) === 0).toBe(x.equals(y));
      }),
    );
  });

  it('put "/" below every other byte', () => {
    const order = ['/', '/a', '/a/b', '/a/b/c', '/a\x01', '/a-b', '/a.b', '/ab', '/a\xff'].map(b);
    expect(order.toReversed().sort(comparePaths)).toEqual(order);
  });

  it('are split into parent and name, and joined again', () => {
    fc.assert(
      fc.property(arbitraryPath, (path) => {
        const { parent, name } = splitPath(path);
        expect(joinPath(parent, name)).toEqual(path);
        expect(parsePath(path)).toEqual(path);
      }),
    );
    expect(splitPath(b('/'))).toEqual({ parent: b(''), name: b('') });
    expect(splitPath(b('/a'))).toEqual({ parent: b('/'), name: b('a') });
    expect(splitPath(b('/a/b'))).toEqual({ parent: b('/a'), name: b('b') });
  });

  it.each([
    ['/a/b', '/a', true],
    ['/a', '/a', true],
    ['/ab', '/a', false],
    ['/a', '/a/b', false],
    ['/b/a', '/a', false],
    ['/anything', '/', true],
    ['/', '/', true],
    ['/', '/a', false],
  ])('%s within %s: %s', (path, ancestor, expected) => {
    expect(isWithin(b(path), b(ancestor))).toBe(expected);
  });

  it.each(['', 'a', 'a/b', '/a/', '//', '//a', '/a//b', '/.', '/..', '/a/./b', '/a/../b', '/a/..', '/a\0b'])(
    'refuse %j',
    (path) => {
      expect(() => parsePath(b(path))).toThrow(InvalidError);
    },
  );

  it.each(['/...', '/.a', '/..a', '/a.', '/ ', '/\n', '/\xff\xfe'])('take %j', (path) => {
    expect(parsePath(b(path))).toEqual(b(path));
  });

  it('are bounded, and so are names', () => {
    expect(() => parsePath(b(`/${'a'.repeat(MAX_NAME_BYTES)}`))).not.toThrow();
    expect(() => parsePath(b(`/${'a'.repeat(MAX_NAME_BYTES + 1)}`))).toThrow(InvalidError);
    expect(() => parsePath(b('/a'.repeat(MAX_PATH_BYTES / 2 + 1)))).toThrow(InvalidError);
  });

  it.each(['', '.', '..', 'a/b', '/', 'a\0', '\0'])('have no name %j', (name) => {
    expect(() => {
      assertName(b(name));
    }).toThrow(InvalidError);
  });

  it('escape control characters in messages', () => {
    expect(() => {
      assertName(b('a/\x1b[31m'));
    }).toThrow('"a/\\x1b[31m"');
  });
});

function* walk(path: Buffer, tree: Tree | null): Generator<Buffer> {
  yield path;
  for (const name of Object.keys(tree ?? {}).sort(byCodeUnit))
    yield* walk(joinPath(path, b(name)), tree?.[name] ?? null);
}

function byCodeUnit(x: string, y: string): number {
  return x < y ? -1 : 1;
}
