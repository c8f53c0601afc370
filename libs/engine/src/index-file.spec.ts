import { cuts, damageOf, flips, otherForms } from '../golden/damage';
import { golden } from '../golden/golden';
import { SAMPLE_INDEX_RECORDS } from '../golden/records';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import { decodeIndexHeader, encodeIndexHeader, type IndexHeader } from './index-file';
import { IndexLines } from './index-lines';
import { readFrames, RecordStreamEncoder } from './record-stream';
import { encodeIndexRecord, type IndexRecord } from './records';

const header: IndexHeader = {
  head: '01234567-89ab-4cde-8f01-23456789abcd',
  generation: 3,
  taskId: 'ffffffff-ffff-4fff-bfff-ffffffffffff',
};
const file = encode(encodeIndexHeader(header), SAMPLE_INDEX_RECORDS);

/** The index that the bytes are, every line of it decoded. */
function read(bytes: Buffer): { header: IndexHeader; records: IndexRecord[] } {
  const lines = linesOf(bytes);
  const records: IndexRecord[] = [];
  while (lines.next()) {
    lines.insistOnOrder();
    records.push(lines.record());
    expect(lines.path).toEqual(records.at(-1)?.path);
  }
  return { header: lines.header, records };
}

function linesOf(bytes: Buffer): IndexLines {
  let at = 0;
  const take = (length: number) => bytes.subarray(at, Math.min(bytes.length, (at += length)));
  return new IndexLines(readFrames(take, 'index', 'index'), 'index');
}

describe('the index file', () => {
  it('is written as it always was', () => {
    const frozen = golden('index-cut-by-v2.bin', () => file);
    expect(file).toEqual(frozen);
    expect(read(frozen)).toEqual({ header, records: SAMPLE_INDEX_RECORDS });
  });

  it('may be one whose files were cut by the chunker before this one', () => {
    expect(read(golden('index.bin', () => file))).toEqual({ header, records: SAMPLE_INDEX_RECORDS });
  });

  it('may show no run yet, and nothing', () => {
    const first = { ...header, head: null, generation: 0 };
    expect(read(encode(encodeIndexHeader(first), []))).toEqual({ header: first, records: [] });
  });

  it('reports any flipped bit, with the place', () => {
    for (const { damaged, at } of flips(file)) {
      const damage = damageOf(() => read(damaged));
      expect(damage).toBeInstanceOf(at === 4 ? UnsupportedError : CorruptError);
      expect(damage!.place).toMatch(/^index, (byte|record) \d+/);
    }
  });

  it('reports any missing end and anything that follows', () => {
    for (const cut of cuts(file)) expect(damageOf(() => read(cut))).toBeInstanceOf(CorruptError);
    expect(() => read(Buffer.concat([file, file]))).toThrow(CorruptError);
  });

  it('reports paths that are not in walk order, and paths twice', () => {
    const [first, second] = SAMPLE_INDEX_RECORDS as [IndexRecord, IndexRecord];
    for (const records of [
      [second, first],
      [first, first],
    ]) {
      expect(() => read(encode(encodeIndexHeader(header), records))).toThrow('index, record 3');
    }
  });

  it('has a header', () => {
    expect(() => read(new RecordStreamEncoder('index').finish())).toThrow('header record is missing');
    expect(() => read(encode(encodeIndexRecord(SAMPLE_INDEX_RECORDS[0]!), []))).toThrow(CorruptError);
  });

  it('has a header of one form', () => {
    const bytes = encodeIndexHeader(header);
    for (const { form, bytes: other } of otherForms(bytes)) {
      const damage = damageOf(() => decodeIndexHeader(other, 'index'));
      if (damage === null && !encodeIndexHeader(decodeIndexHeader(other, 'index')).equals(other)) throw new Error(form);
    }
    for (const cut of cuts(bytes)) expect(() => decodeIndexHeader(cut, 'index')).toThrow(CorruptError);
    expect(() => encodeIndexHeader({ ...header, taskId: header.taskId.toUpperCase() })).toThrow(InvalidError);
    expect(() => encodeIndexHeader({ ...header, generation: -1 })).toThrow(InvalidError);
  });

  it('of another version or chunker is refused, whatever else it holds', () => {
    const bytes = encodeIndexHeader(header);
    const later = Buffer.from(bytes);
    later[1] = 2;
    expect(() => read(encode(later, []))).toThrow(UnsupportedError);
    expect(() => read(encode(Buffer.from('8102', 'hex'), []))).toThrow(UnsupportedError);
    const chunker = Buffer.from(bytes);
    chunker[bytes.length - 1] = 0x39;
    expect(() => read(encode(chunker, []))).toThrow(/unsupported: chunker "fastcdc-v9"/);
  });
});

function encode(first: Buffer, records: readonly IndexRecord[]): Buffer {
  const encoder = new RecordStreamEncoder('index');
  encoder.add(first);
  for (const record of records) encoder.add(encodeIndexRecord(record));
  return encoder.finish();
}
