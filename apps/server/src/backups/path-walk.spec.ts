import { keyedPath, parentKeyOf } from './path-walk';

describe('the key of a directory', () => {
  it.each([
    ['/', ''],
    ['/a', '/'],
    ['/a/b', '/a'],
    ['/ab/c', '/ab'],
    ['/a/b/c', '/a/b'],
    ['/a/bc', '/a'],
  ])('of %s is "%s", whatever came before it', (key, parent) => {
    expect(keyedPath(Buffer.from(key, 'latin1'))).toMatchObject({ key, parentKey: parent });
    for (const near of [undefined, '', '/', '/a', '/b', '/ab', '/a/b', '/a/b/c']) {
      expect(parentKeyOf(key, near)).toBe(parent);
    }
  });
});
