import fc from 'fast-check';
import { encodeEntry } from '../src/entry-codec';
import { encodeDetection, type Detection } from '../src/detection';
import type { Entry } from '../src/entry';
import type { Change, IndexRecord } from '../src/records';
import { encodeXattrs, MAX_INLINE_XATTR_BYTES, type Xattr } from '../src/xattrs';
import { seededBytes } from './golden';

/** Deterministic entries, one of each kind and with every extra; goldens and exhaustive tests are made of them. */
const plain = { size: 0, mtimeNs: 1_764_000_000_123_456_789n, mode: 0o644, uid: 1000, gid: 100, content: null };

export const SAMPLE_ENTRIES: Record<string, Entry> = {
  'empty file': { ...plain, kind: 'file' },
  file: { ...plain, kind: 'file', size: 70_000, content: { id: seededBytes(32, 1), height: 0, size: 70_000 } },
  'large sparse linked file': {
    ...plain,
    kind: 'file',
    size: 2 ** 53 - 1,
    mtimeNs: -1n,
    mode: 0o7777,
    uid: 0xffff_ffff,
    gid: 0,
    content: { id: seededBytes(32, 2), height: 8, size: 2 ** 53 - 1 },
    hardLinkGroup: 2n ** 64n - 1n,
    xattrs: [
      { name: Buffer.from('security.selinux'), value: Buffer.from('unconfined_u\0') },
      { name: Buffer.from('user.empty'), value: Buffer.alloc(0) },
    ],
    isSparse: true,
  },
  directory: {
    ...plain,
    kind: 'directory',
    mode: 0o1777,
    mtimeNs: 2n ** 64n - 1n,
    xattrContent: { id: seededBytes(32, 3), height: 0, size: 5000 },
  },
  symlink: { ...plain, kind: 'symlink', mtimeNs: -(2n ** 64n), linkTarget: Buffer.from('../\xff\n', 'latin1') },
  fifo: { ...plain, kind: 'fifo', hardLinkGroup: 0n },
  'character device': { ...plain, kind: 'character-device', device: { major: 1, minor: 3 } },
  'block device': { ...plain, kind: 'block-device', device: { major: 0xffff_ffff, minor: 0xffff_ffff } },
};

export const SAMPLE_DETECTION: Detection = {
  ctimeNs: 1_764_000_001_000_000_001n,
  inode: 2n ** 63n + 1n,
  device: 2049n,
  isMount: true,
  isRacy: false,
};

const samples = Object.values(SAMPLE_ENTRIES);
const SAMPLE_PATHS = ['/', '/etc', '/etc/a\n', '/etc/\xfe\xff', '/etc-more', '/home', '/x', '/y'];

export const SAMPLE_INDEX_RECORDS: IndexRecord[] = samples.map((entry, number) => ({
  path: Buffer.from(SAMPLE_PATHS[number] ?? '/', 'latin1'),
  entry: encodeEntry(entry),
  detection: encodeDetection({ ...SAMPLE_DETECTION, inode: BigInt(number), isRacy: number % 2 === 1 }),
}));

export const SAMPLE_CHANGES: Change[] = [
  ...SAMPLE_INDEX_RECORDS.map((record): Change => ({ type: 'put', ...record })),
  { type: 'close', path: Buffer.from('/gone'), reason: 'deleted' },
  { type: 'close', path: Buffer.from('/skipped/for now'), reason: 'deselected' },
];

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const time = fc.oneof(fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }), fc.bigInt({ min: -300n, max: 300n }));
const u32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }));
const size = fc.oneof(fc.nat(300), fc.maxSafeNat());

function buffer(constraints: fc.IntArrayConstraints): fc.Arbitrary<Buffer> {
  return fc.uint8Array(constraints).map((bytes) => Buffer.from(bytes));
}

const withoutNul = (max: number) =>
  fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: max }).map((b) => Buffer.from(b));

export const arbitraryXattrs: fc.Arbitrary<Xattr[]> = fc
  .uniqueArray(fc.record({ name: withoutNul(30), value: buffer({ maxLength: 60 }) }), {
    minLength: 1,
    maxLength: 5,
    selector: ({ name }) => name.toString('latin1'),
  })
  .map((xattrs) => xattrs.sort((a, b) => a.name.compare(b.name)));

const arbitraryContent = (covered: number) =>
  fc.record({ id: buffer({ minLength: 32, maxLength: 32 }), height: fc.nat(8), size: fc.constant(covered) });

const shared = fc.record({ mtimeNs: time, mode: fc.nat(0o7777), uid: u32, gid: u32 });
const attributes = fc.oneof(
  fc.constant({}),
  arbitraryXattrs
    .filter((xattrs) => encodeXattrs(xattrs).length <= MAX_INLINE_XATTR_BYTES)
    .map((xattrs) => ({ xattrs })),
  fc
    .integer({ min: MAX_INLINE_XATTR_BYTES + 1, max: 1e9 })
    .chain(arbitraryContent)
    .map((xattrContent) => ({ xattrContent })),
);
const linked = fc.oneof(
  fc.constant({}),
  u64.map((hardLinkGroup) => ({ hardLinkGroup })),
);
const sparse = fc.constantFrom({}, { isSparse: true as const });
const none = { size: 0, content: null };

const file = size.chain((covered) =>
  fc
    .tuple(covered === 0 ? fc.constant(null) : arbitraryContent(covered), linked, sparse)
    .map(([content, link, holes]) => ({ kind: 'file' as const, size: covered, content, ...link, ...holes })),
);
const directory = fc.constant({ kind: 'directory' as const, ...none });
const symlink = fc
  .tuple(withoutNul(100), linked)
  .map(([linkTarget, link]) => ({ kind: 'symlink' as const, ...none, linkTarget, ...link }));
const fifo = linked.map((link) => ({ kind: 'fifo' as const, ...none, ...link }));
const device = fc
  .tuple(fc.constantFrom('character-device' as const, 'block-device' as const), u32, u32, linked)
  .map(([kind, major, minor, link]) => ({ kind, ...none, device: { major, minor }, ...link }));

/** Any entry that the format knows. */
export const arbitraryEntry: fc.Arbitrary<Entry> = fc
  .tuple(fc.oneof(file, directory, symlink, fifo, device), shared, attributes)
  .map(([kind, common, xattrs]) => ({ ...kind, ...common, ...xattrs }));

export const arbitraryDetection: fc.Arbitrary<Detection> = fc.record({
  ctimeNs: time,
  inode: u64,
  device: u64,
  isMount: fc.boolean(),
  isRacy: fc.boolean(),
});

/** Few different bytes, '/'s neighbours in value among them, so that names share prefixes. */
export const arbitraryName = fc
  .oneof(
    fc.array(fc.constantFrom(0x01, 0x2d, 0x2e, 0x30, 0x61, 0xff), { minLength: 1, maxLength: 4 }),
    fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 12 }),
  )
  .map((bytes) => Buffer.from(bytes))
  .filter((name) => !name.includes(0x2f) && !['.', '..'].includes(name.toString('latin1')));

export const arbitraryPath: fc.Arbitrary<Buffer> = fc
  .array(arbitraryName, { maxLength: 6 })
  .map((names) => (names.length === 0 ? Buffer.from('/') : Buffer.concat(names.flatMap((n) => [Buffer.from('/'), n]))));

export const arbitraryIndexRecord: fc.Arbitrary<IndexRecord> = fc
  .record({ path: arbitraryPath, entry: arbitraryEntry, detection: arbitraryDetection })
  .map(({ path, entry, detection }) => ({
    path,
    entry: encodeEntry(entry),
    detection: encodeDetection(detection),
  }));

export const arbitraryChange: fc.Arbitrary<Change> = fc.oneof(
  arbitraryIndexRecord.map((record): Change => ({ type: 'put', ...record })),
  fc
    .record({ path: arbitraryPath, reason: fc.constantFrom('deleted' as const, 'deselected' as const) })
    .map((close): Change => ({ type: 'close', ...close })),
);
