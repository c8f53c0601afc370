import fc from 'fast-check';
import { arbitraryIndexRecord } from '../golden/records';
import { isUnchanged } from './detect';
import { decodeDetection, encodeDetection } from './detection';
import { ENTRY_KINDS } from './entry';
import { decodeEntry, encodeEntry } from './entry-codec';
import { encodeIndexHeader } from './index-file';
import { IndexLines } from './index-lines';
import { splitPath } from './path';
import type { QuickSighting } from './quick-detect';
import { readFrames, RecordStreamEncoder } from './record-stream';
import { encodeIndexRecord, type IndexRecord } from './records';

function linesOf(records: readonly IndexRecord[]): IndexLines {
  const encoder = new RecordStreamEncoder('index');
  const header = { head: null, generation: 0, taskId: 'ffffffff-ffff-4fff-bfff-ffffffffffff' };
  const pieces = [encoder.add(encodeIndexHeader(header))];
  for (const record of records) pieces.push(encoder.add(encodeIndexRecord(record)));
  const bytes = Buffer.concat([...pieces.filter((piece) => piece !== null), encoder.finish()]);
  let at = 0;
  const read = (length: number) => bytes.subarray(at, (at += length));
  return new IndexLines(readFrames(read, 'index', 'index'), 'index');
}

function lineOf(record: IndexRecord): IndexLines {
  const lines = linesOf([record]);
  expect(lines.next()).toBe(true);
  return lines;
}

/** What would be seen now if nothing had changed. */
function sightingOf({ entry: entryBytes, detection: detectionBytes }: IndexRecord): QuickSighting {
  const entry = decodeEntry(entryBytes, 'test');
  const detection = decodeDetection(detectionBytes, 'test');
  const high = (value: bigint) => Number((value >> 32n) & 0xffff_ffffn);
  const low = (value: bigint) => Number(value & 0xffff_ffffn);
  return {
    kind: ENTRY_KINDS.indexOf(entry.kind) + 1,
    size: entry.size,
    mtimeHigh: high(entry.mtimeNs),
    mtimeLow: low(entry.mtimeNs),
    ctimeHigh: high(detection.ctimeNs),
    ctimeLow: low(detection.ctimeNs),
    inodeHigh: high(detection.inode),
    inodeLow: low(detection.inode),
    isMount: detection.isMount,
    isLinked: entry.hardLinkGroup !== undefined,
    groupHigh: high(entry.hardLinkGroup ?? 0n),
    groupLow: low(entry.hardLinkGroup ?? 0n),
  };
}

describe('the lines of an index', () => {
  it('are unchanged by their bytes exactly when they are by their values, old times aside', () => {
    let unchanged = 0;
    fc.assert(
      fc.property(arbitraryIndexRecord, (record) => {
        const entry = decodeEntry(record.entry, 'test');
        const detection = decodeDetection(record.detection, 'test');
        const { kind, size, mtimeNs } = entry;
        const { ctimeNs, inode } = detection;
        const isExpected =
          isUnchanged({ entry, detection }, { kind, size, mtimeNs, ctimeNs, inode }) && mtimeNs >= 0n && ctimeNs >= 0n;
        expect(lineOf(record).isUnchanged(sightingOf(record))).toBe(isExpected);
        unchanged += Number(isExpected);
      }),
      { numRuns: 500 },
    );
    expect(unchanged).toBeGreaterThan(20);
  });

  const plain: IndexRecord = {
    path: Buffer.from('/srv/file'),
    entry: encodeEntry({
      kind: 'file',
      size: 5_000_000_000,
      mtimeNs: 1_764_000_000_123_456_789n,
      mode: 0o644,
      uid: 1000,
      gid: 70_000,
      content: { id: Buffer.alloc(32, 7), height: 2, size: 5_000_000_000 },
      xattrs: [{ name: Buffer.from('user.a'), value: Buffer.alloc(300) }],
      isSparse: true,
    }),
    detection: encodeDetection({
      ctimeNs: 1_764_000_001_000_000_001n,
      inode: 2n ** 63n + 1n,
      device: 2049n,
      isMount: false,
      isRacy: false,
    }),
  };

  it.each(['kind', 'size', 'mtimeHigh', 'mtimeLow', 'ctimeHigh', 'ctimeLow', 'inodeHigh', 'inodeLow'] as const)(
    'are changed with another %s',
    (field) => {
      const seen = sightingOf(plain);
      const line = lineOf(plain);
      expect(line.isUnchanged(seen)).toBe(true);
      expect(line.isUnchanged({ ...seen, [field]: seen[field] + 1 })).toBe(false);
      expect(line.isUnchanged({ ...seen, isMount: true })).toBe(false);
    },
  );

  it('are changed when a file has more names, fewer, or those of another group', () => {
    const entry = decodeEntry(plain.entry, 'test');
    const linked = { ...plain, entry: encodeEntry({ ...entry, hardLinkGroup: 2n ** 63n + 5n }) };
    const [alone, seen] = [sightingOf(plain), sightingOf(linked)];
    expect(lineOf(linked).isUnchanged(seen)).toBe(true);
    expect(lineOf(linked).isUnchanged({ ...seen, groupLow: 6 })).toBe(false);
    expect(lineOf(linked).isUnchanged({ ...seen, groupHigh: 5 })).toBe(false);
    expect(lineOf(linked).isUnchanged(alone)).toBe(false);
    expect(lineOf(linked).isUnchanged({ ...seen, isLinked: false })).toBe(false);
    expect(lineOf(plain).isUnchanged(seen)).toBe(false);
    // A group may have the number 0, which says nothing about one that has none.
    const zero = { ...plain, entry: encodeEntry({ ...entry, hardLinkGroup: 0n }) };
    expect(lineOf(zero).isUnchanged({ ...alone, isLinked: true })).toBe(true);
    expect(lineOf(zero).isUnchanged(alone)).toBe(false);
    const { kind, size, mtimeNs, mode, uid, gid, content } = entry;
    const bare = { ...plain, entry: encodeEntry({ kind, size, mtimeNs, mode, uid, gid, content }) };
    expect(lineOf(bare).isUnchanged(alone)).toBe(true);
    expect(lineOf(bare).isUnchanged({ ...alone, isLinked: true })).toBe(false);
  });

  it('are not taken for unchanged when they were racy, or are none', () => {
    const seen = sightingOf(plain);
    const detection = decodeDetection(plain.detection, 'test');
    const racy = { ...plain, detection: encodeDetection({ ...detection, isRacy: true }) };
    expect(lineOf(racy).isUnchanged(seen)).toBe(false);
    // Whatever stands behind the name is no longer than its record.
    for (let length = 1; length < plain.entry.length; length++) {
      const broken = lineOf({ ...plain, entry: plain.entry.subarray(0, length), detection: Buffer.alloc(1, 0xff) });
      expect(broken.isUnchanged(seen)).toBe(false);
      expect(() => broken.record()).toThrow();
    }
  });

  it('stand to a name as their paths stand to its path', () => {
    const paths = ['/', '/a', '/a/b', '/a/b/c', '/a/bc', '/a-b', '/a-b/c', '/ab', '/b\xff/\x01'];
    const at = (path: string) => Buffer.from(path, 'latin1');
    for (const [mine, path] of paths.entries()) {
      const line = lineOf({ ...plain, path: at(path) });
      for (const [other, otherPath] of paths.entries()) {
        const { parent, name } = splitPath(at(otherPath));
        const scratch = Buffer.concat([name, Buffer.from('\0left over')]);
        expect(Math.sign(line.compareTo(parent, scratch, name.length))).toBe(Math.sign(mine - other));
      }
    }
  });

  it('are checked for their order, within a directory and from one to the next', () => {
    const read = (...paths: string[]) => {
      const lines = linesOf(paths.map((path) => ({ ...plain, path: Buffer.from(path) })));
      while (lines.next()) lines.insistOnOrder();
    };
    expect(() => {
      read('/', '/a', '/a/b', '/a/c', '/a-b', '/b');
    }).not.toThrow();
    for (const [first, second] of [
      ['/a/c', '/a/b'],
      ['/a/b', '/a/b'],
      ['/a-b', '/a/b'],
      ['/b', '/a/b'],
      ['/a', '/'],
    ] as const) {
      expect(() => {
        read(first, second);
      }).toThrow('record 3');
    }
  });
});
