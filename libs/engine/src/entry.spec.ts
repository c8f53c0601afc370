import fc from 'fast-check';
import { damageOf, cuts, flips, otherForms } from '../golden/damage';
import { golden, seededBytes } from '../golden/golden';
import { arbitraryEntry, SAMPLE_ENTRIES } from '../golden/records';
import { type Entry, MAX_ENTRY_BYTES } from './entry';
import { decodeEntry, encodeEntry } from './entry-codec';
import { CorruptError, InvalidError } from './errors';
import { MAX_INLINE_XATTR_BYTES } from './xattrs';

const samples = Object.entries(SAMPLE_ENTRIES);
const { file, directory, symlink, fifo } = SAMPLE_ENTRIES as Record<'file' | 'directory' | 'symlink' | 'fifo', Entry>;
const device = SAMPLE_ENTRIES['block device']!;
const id = seededBytes(32, 9);

/** Entries of these few bytes are canonical or corrupt, and nothing else: what is read is written the same again. */
function expectCanonicalOrCorrupt(bytes: Buffer): void {
  let entry: Entry | undefined;
  const damage = damageOf(() => (entry = decodeEntry(bytes, 'entry')));
  if (damage !== null) expect(damage.place).toMatch(/^entry(, byte \d+)?$/);
  else if (!encodeEntry(entry!).equals(bytes))
    throw new Error(`read, though it is another form: ${bytes.toString('hex')}`);
}

describe('entries', () => {
  it.each(samples)('are written as they always were: %s', (name, entry) => {
    const bytes = encodeEntry(entry);
    const frozen = golden(`entry-${name.replaceAll(' ', '-')}.bin`, () => bytes);
    expect(bytes).toEqual(frozen);
    expect(decodeEntry(frozen, 'golden')).toEqual(entry);
  });

  it('come back as they were', () => {
    fc.assert(
      fc.property(arbitraryEntry, (entry) => {
        expect(decodeEntry(encodeEntry(entry), 'entry')).toEqual(entry);
      }),
      { numRuns: 500 },
    );
  });

  it('have one encoding: no other form of CBOR is read', () => {
    fc.assert(
      fc.property(arbitraryEntry, (entry) => {
        for (const { form, bytes } of otherForms(encodeEntry(entry))) {
          const damage = damageOf(() => decodeEntry(bytes, 'entry'));
          // Content becoming null is another entry of other meaning, not another form.
          if (damage === null && !encodeEntry(decodeEntry(bytes, 'entry')).equals(bytes)) throw new Error(form);
          if (damage !== null) expect(damage).toBeInstanceOf(CorruptError);
        }
      }),
      { numRuns: 100 },
    );
  });

  it.each(samples)('of other bytes are corrupt or other entries: %s', (_, entry) => {
    const bytes = encodeEntry(entry);
    for (const cut of cuts(bytes)) expect(damageOf(() => decodeEntry(cut, 'entry'))).toBeInstanceOf(CorruptError);
    for (const { damaged } of flips(bytes)) expectCanonicalOrCorrupt(damaged);
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0x00, 0x17, 0x18, 0x1b, 0x3b, 0x5f, 0x80, 0x9b, 0xbf, 0xf6, 0xfb, 0xff]) {
        const damaged = Buffer.from(bytes);
        damaged[at] = value;
        expectCanonicalOrCorrupt(damaged);
      }
    }
  });

  it('of random bytes are corrupt', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expectCanonicalOrCorrupt(Buffer.concat([Buffer.of(0x88), bytes]));
      }),
      { numRuns: 2000 },
    );
  });

  it('of absurd depth or length are refused at once', () => {
    const deep = Buffer.alloc(MAX_ENTRY_BYTES, 0x81);
    expect(() => decodeEntry(deep, 'entry')).toThrow(CorruptError);
    const head = encodeEntry(fifo).subarray(0, -4);
    for (const tail of ['a103 9a7fffffff', 'a1039b001fffffffffffff', 'a1015b001fffffffffffff', 'bb001fffffffffffff']) {
      const bytes = Buffer.concat([head, Buffer.from(tail.replaceAll(' ', ''), 'hex')]);
      expect(() => decodeEntry(bytes, 'entry')).toThrow(CorruptError);
    }
  });

  it('are at most 64 KiB, and their extended attributes 4 KiB', () => {
    const link = (length: number): Entry => ({ ...symlink, linkTarget: Buffer.alloc(length, 0x61) });
    const overhead = encodeEntry(link(60_000)).length - 60_000;
    const longest = encodeEntry(link(MAX_ENTRY_BYTES - overhead));
    expect(longest).toHaveLength(MAX_ENTRY_BYTES);
    expect(decodeEntry(longest, 'entry').linkTarget).toHaveLength(MAX_ENTRY_BYTES - overhead);
    expect(() => encodeEntry(link(MAX_ENTRY_BYTES - overhead + 1))).toThrow(InvalidError);
    expect(() => decodeEntry(Buffer.concat([longest, Buffer.of(0)]), 'entry')).toThrow(CorruptError);

    const withXattr = (length: number): Entry => ({
      ...fifo,
      xattrs: [{ name: Buffer.alloc(32, 'n'), value: Buffer.alloc(length) }],
    });
    const room = MAX_INLINE_XATTR_BYTES - 1 - 1 - 2 - 32 - 3;
    expect(decodeEntry(encodeEntry(withXattr(room)), 'entry')).toEqual(withXattr(room));
    expect(() => encodeEntry(withXattr(room + 1))).toThrow(InvalidError);
  });

  it.each<[string, Entry]>([
    ['a directory with a size', { ...directory, size: 4096 }],
    ['a directory with content', { ...directory, content: { id, height: 0, size: 0 } }],
    ['a file whose content covers less', { ...file, size: file.size + 1 }],
    ['a file with size and no content', { ...file, content: null }],
    ['an empty file with content', { ...file, size: 0, content: { id, height: 0, size: 0 } }],
    ['an id of 31 bytes', { ...file, content: { ...file.content!, id: id.subarray(1) } }],
    ['a reference of height 9', { ...file, content: { ...file.content!, height: 9 } }],
    ['13 bits of mode', { ...file, mode: 0o10000 }],
    ['a negative owner', { ...file, uid: -1 }],
    ['an owner of 33 bits', { ...file, gid: 2 ** 32 }],
    ['a time beyond 64 bits', { ...file, mtimeNs: 2n ** 64n }],
    ['a size beyond 2^53', { ...file, size: 2 ** 53, content: { ...file.content!, size: 2 ** 53 } }],
    ['a symlink without target', { ...fifo, kind: 'symlink' }],
    ['a symlink with an empty target', { ...symlink, linkTarget: Buffer.alloc(0) }],
    ['a link target with NUL', { ...symlink, linkTarget: Buffer.from('a\0') }],
    ['a file with link target', { ...file, linkTarget: Buffer.from('a') }],
    ['a directory in a hard-link group', { ...directory, hardLinkGroup: 1n }],
    ['a device without numbers', { ...fifo, kind: 'block-device' }],
    ['a FIFO with device numbers', { ...fifo, device: { major: 1, minor: 1 } }],
    ['device numbers of 33 bits', { ...device, device: { major: 1, minor: 2 ** 32 } }],
    ['a sparse directory', { ...directory, isSparse: true }],
    ['no extended attributes, but a list of them', { ...file, xattrs: [] }],
    ['short extended attributes as content', { ...file, xattrContent: { id, height: 0, size: 4096 } }],
    [
      'extended attributes twice',
      { ...file, xattrs: [{ name: id, value: id }], xattrContent: { id, height: 0, size: 5000 } },
    ],
  ])('cannot be %s', (_, entry) => {
    expect(() => encodeEntry(entry)).toThrow(InvalidError);
  });

  it.each([
    ['unknown extra 7', 'a107f5'],
    ['unknown extra 0', 'a100f5'],
    ['extras out of order', 'a206f5021801'],
    ['an extra twice', 'a206f506f5'],
    ['isSparse of null', 'a106f6'],
    ['isSparse of false', 'a106f4'],
    ['a device extra', 'a105820103'],
    ['a link target', 'a1014161'],
    ['an empty list of extended attributes', 'a10380'],
    ['extended attributes out of order', 'a1038282416201824161 01'],
    ['an extended attribute twice', 'a103828241614101 8241614101'],
    ['an extended attribute without name', 'a1038182404101'],
    ['a pair too few', 'a206f5'],
    ['a pair too many', 'a006f5'],
  ])('of a file are refused with %s', (_, extras) => {
    const bytes = encodeEntry(file);
    expect(bytes.at(-1)).toBe(0xa0);
    const changed = Buffer.concat([bytes.subarray(0, -1), Buffer.from(extras.replaceAll(' ', ''), 'hex')]);
    expect(() => decodeEntry(changed, 'entry')).toThrow(CorruptError);
  });

  it('do not depend on what was encoded before', () => {
    const large = encodeEntry({ ...symlink, linkTarget: Buffer.alloc(50_000, 1) });
    const small = encodeEntry(file);
    expect(() => encodeEntry({ ...file, mode: -1 })).toThrow(InvalidError);
    expect(encodeEntry(file)).toEqual(small);
    expect(decodeEntry(large, 'entry').linkTarget).toEqual(Buffer.alloc(50_000, 1));
  });
});
