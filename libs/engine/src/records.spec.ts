import fc from 'fast-check';
import { cuts, damageOf, flips, otherForms } from '../golden/damage';
import {
  arbitraryChange,
  arbitraryIndexRecord,
  SAMPLE_CHANGES,
  SAMPLE_ENTRIES,
  SAMPLE_INDEX_RECORDS,
} from '../golden/records';
import { MAX_ENTRY_BYTES } from './entry';
import { encodeEntry } from './entry-codec';
import { CorruptError, InvalidError } from './errors';
import { MAX_PATH_BYTES } from './path';
import {
  type Change,
  decodeChange,
  decodeEntryRecord,
  decodeIndexRecord,
  decodeVersionRecord,
  encodeChange,
  encodeEntryRecord,
  encodeIndexRecord,
  encodeVersionRecord,
  type IndexRecord,
  type VersionRecord,
} from './records';

const [sample] = SAMPLE_INDEX_RECORDS as [IndexRecord];
const at = (path: string) => encodeEntryRecord({ path: Buffer.from(path), entry: sample.entry });

describe('records', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(arbitraryIndexRecord, arbitraryChange, (record, change) => {
        expect(decodeIndexRecord(encodeIndexRecord(record), 'record')).toEqual(record);
        expect(decodeChange(encodeChange(change), 'record')).toEqual(change);
        const { path, entry } = record;
        expect(decodeEntryRecord(encodeEntryRecord(record), 'record')).toEqual({ path, entry });
      }),
      { numRuns: 200 },
    );
  });

  it('of versions come back as they were, and only when they make sense', () => {
    const { path, entry } = sample;
    const versions: VersionRecord[] = [
      { path, entry, firstRun: 1, lastRun: null, endReason: null },
      { path, entry, firstRun: 1, lastRun: 2, endReason: null },
      { path, entry, firstRun: 7, lastRun: 4_000_000_000, endReason: 'deselected' },
    ];
    for (const version of versions) {
      const bytes = encodeVersionRecord(version);
      expect(decodeVersionRecord(bytes, 'record')).toEqual(version);
      for (const cut of cuts(bytes))
        expect(damageOf(() => decodeVersionRecord(cut, 'record'))).toBeInstanceOf(CorruptError);
    }
    for (const nonsense of [
      { path, entry, firstRun: 2, lastRun: 2, endReason: null },
      { path, entry, firstRun: 2, lastRun: null, endReason: 'deleted' as const },
    ]) {
      expect(() => decodeVersionRecord(encodeVersionRecord(nonsense), 'record')).toThrow(CorruptError);
    }
  });

  it('have one encoding: no other form of CBOR is read', () => {
    fc.assert(
      fc.property(arbitraryChange, (change) => {
        for (const { form, bytes } of otherForms(encodeChange(change))) {
          expectCanonicalOrCorrupt(bytes, form);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('of other bytes are corrupt or other changes', () => {
    for (const change of SAMPLE_CHANGES) {
      const bytes = encodeChange(change);
      for (const cut of cuts(bytes)) expect(damageOf(() => decodeChange(cut, 'record'))).toBeInstanceOf(CorruptError);
      for (const { damaged, at: byte } of flips(bytes)) expectCanonicalOrCorrupt(damaged, `flip at ${byte}`);
    }
  });

  it('of another kind are refused', () => {
    const entryRecord = encodeEntryRecord(sample);
    const indexRecord = encodeIndexRecord(sample);
    const change = encodeChange(SAMPLE_CHANGES[0]!);
    expect(() => decodeIndexRecord(entryRecord, 'record')).toThrow(CorruptError);
    expect(() => decodeEntryRecord(indexRecord, 'record')).toThrow(CorruptError);
    expect(() => decodeChange(indexRecord, 'record')).toThrow(CorruptError);
    expect(() => decodeIndexRecord(change, 'record')).toThrow(CorruptError);
  });

  it('check the entry in them and name the byte', () => {
    const bytes = encodeEntryRecord(sample);
    bytes[bytes.length - 1] = 0xa1;
    expect(() => decodeEntryRecord(bytes, 'record 7')).toThrow(
      expect.objectContaining({ place: expect.stringMatching(/^record 7, byte \d+$/) as string }) as Error,
    );
  });

  it.each([
    ['a name without parent', '83 40 4161'],
    ['a parent without name', '83 412f 40'],
    ['a relative parent', '83 4161 4161'],
    ['a parent with a slash at its end', '83 432f612f 4161'],
    ['a parent with ".."', '83 432f2e2e 4161'],
    ['a name ".."', '83 412f 422e2e'],
    ['a name "."', '83 412f 412e'],
    ['a name with a slash', '83 412f 43612f62'],
    ['a name with NUL', '83 412f 4100'],
    ['a parent with NUL', '83 422f00 4161'],
  ])('refuse %s', (_, head) => {
    const bytes = Buffer.concat([Buffer.from(head.replaceAll(' ', ''), 'hex'), sample.entry]);
    expect(() => decodeEntryRecord(bytes, 'record')).toThrow(CorruptError);
  });

  it('refuse a closing without reason', () => {
    const bytes = encodeChange(SAMPLE_CHANGES.at(-1)!);
    for (const reason of [0, 3]) {
      bytes[bytes.length - 1] = reason;
      expect(() => decodeChange(bytes, 'record')).toThrow(CorruptError);
    }
  });

  it('bound the entry', () => {
    const link = encodeEntry({ ...SAMPLE_ENTRIES['symlink']!, linkTarget: Buffer.alloc(MAX_ENTRY_BYTES - 100, 1) });
    const head = link.indexOf(Buffer.of(0x59, 0xff));
    const target = Buffer.concat([Buffer.of(0x5a, 0, 1, 0, 0), Buffer.alloc(MAX_ENTRY_BYTES, 1)]);
    const entry = Buffer.concat([link.subarray(0, head), target]);
    const bytes = encodeEntryRecord({ path: sample.path, entry });
    expect(() => decodeEntryRecord(bytes, 'record')).toThrow('an entry longer than 65536 bytes');
  });

  it('bound the path', () => {
    expect(() => at('relative')).toThrow(InvalidError);
    const deep = '/d'.repeat(MAX_PATH_BYTES / 2);
    expect(decodeEntryRecord(at(deep), 'record').path).toHaveLength(MAX_PATH_BYTES);
    expect(() => at(`${deep}/`)).toThrow(InvalidError);
    const parent = Buffer.from(deep);
    const header = Buffer.concat([
      Buffer.from('835a', 'hex'),
      Buffer.from([0, 4, 0, 0]),
      parent,
      Buffer.from('4161', 'hex'),
    ]);
    expect(() => decodeEntryRecord(Buffer.concat([header, sample.entry]), 'record')).toThrow('longer than');
  });
});

function expectCanonicalOrCorrupt(bytes: Buffer, what: string): void {
  let change: Change | undefined;
  const damage = damageOf(() => (change = decodeChange(bytes, 'record')));
  if (damage === null && !encodeChange(change!).equals(bytes))
    throw new Error(`read, though it is another form: ${what}`);
  if (damage !== null) expect(damage).toBeInstanceOf(CorruptError);
}
