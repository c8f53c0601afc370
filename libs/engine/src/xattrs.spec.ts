import fc from 'fast-check';
import { cuts, damageOf, otherForms } from '../golden/damage';
import { arbitraryXattrs } from '../golden/records';
import { CorruptError, InvalidError } from './errors';
import { decodeXattrs, encodeXattrs } from './xattrs';

const xattr = (name: string) => ({ name: Buffer.from(name, 'latin1'), value: Buffer.from('v') });

describe('extended attributes', () => {
  it('come back as they were, in one form only', () => {
    fc.assert(
      fc.property(arbitraryXattrs, (xattrs) => {
        const bytes = encodeXattrs(xattrs);
        expect(decodeXattrs(bytes, 'xattrs')).toEqual(xattrs);
        for (const { bytes: other } of otherForms(bytes)) {
          expect(damageOf(() => decodeXattrs(other, 'xattrs'))).toBeInstanceOf(CorruptError);
        }
        for (const cut of cuts(bytes)) expect(() => decodeXattrs(cut, 'xattrs')).toThrow(CorruptError);
      }),
      { numRuns: 50 },
    );
  });

  it('may be longer than an entry', () => {
    const xattrs = [{ name: Buffer.from('user.large'), value: Buffer.alloc(65_536, 1) }];
    expect(decodeXattrs(encodeXattrs(xattrs), 'xattrs')).toEqual(xattrs);
  });

  it.each([
    ['twice the same', ['a', 'a']],
    ['descending', ['b', 'a']],
    ['without name', ['']],
    ['with NUL', ['a\0']],
    ['of 256 bytes', ['a'.repeat(256)]],
  ])('are refused: %s', (_, names) => {
    expect(() => encodeXattrs(names.map(xattr))).toThrow(InvalidError);
  });
});
