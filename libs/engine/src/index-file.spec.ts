import { collect, cuts, damageOf, damageOfAsync, flips, inPieces, otherForms } from '../golden/damage';
import { golden } from '../golden/golden';
import { SAMPLE_INDEX_RECORDS } from '../golden/records';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import { decodeIndexHeader, encodeIndexHeader, type IndexHeader, openIndex } from './index-file';
import { RecordStreamEncoder } from './record-stream';
import { encodeIndexRecord, type IndexRecord } from './records';

const header: IndexHeader = {
  head: '01234567-89ab-4cde-8f01-23456789abcd',
  generation: 3,
  taskId: 'ffffffff-ffff-4fff-bfff-ffffffffffff',
};
const file = encode(encodeIndexHeader(header), SAMPLE_INDEX_RECORDS);

async function read(bytes: Buffer, piece?: number): Promise<{ header: IndexHeader; records: IndexRecord[] }> {
  const index = await openIndex(inPieces(bytes, piece), 'index');
  return { header: index.header, records: await collect(index.records) };
}

describe('the index file', () => {
  it('is written as it always was', async () => {
    const frozen = golden('index.bin', () => file);
    expect(file).toEqual(frozen);
    expect(await read(frozen)).toEqual({ header, records: SAMPLE_INDEX_RECORDS });
  });

  it('may show no run yet, and nothing', async () => {
    const first = { ...header, head: null, generation: 0 };
    expect(await read(encode(encodeIndexHeader(first), []), 5)).toEqual({ header: first, records: [] });
  });

  it('reports any flipped bit, with the place', async () => {
    for (const { damaged, at } of flips(file)) {
      const damage = await damageOfAsync(() => read(damaged));
      expect(damage).toBeInstanceOf(at === 4 ? UnsupportedError : CorruptError);
      expect(damage!.place).toMatch(/^index, (byte|record) \d+/);
    }
  });

  it('reports any missing end and anything that follows', async () => {
    for (const cut of cuts(file)) expect(await damageOfAsync(() => read(cut))).toBeInstanceOf(CorruptError);
    await expect(read(Buffer.concat([file, file]))).rejects.toThrow(CorruptError);
  });

  it('reports paths that are not in walk order, and paths twice', async () => {
    const [first, second] = SAMPLE_INDEX_RECORDS as [IndexRecord, IndexRecord];
    for (const records of [
      [second, first],
      [first, first],
    ]) {
      await expect(read(encode(encodeIndexHeader(header), records))).rejects.toMatchObject({
        place: 'index, record 3',
      });
    }
  });

  it('has a header', async () => {
    await expect(read(new RecordStreamEncoder('index').finish())).rejects.toThrow('header record is missing');
    await expect(read(encode(encodeIndexRecord(SAMPLE_INDEX_RECORDS[0]!), []))).rejects.toThrow(CorruptError);
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

  it('of another version or chunker is refused, whatever else it holds', async () => {
    const bytes = encodeIndexHeader(header);
    const later = Buffer.from(bytes);
    later[1] = 2;
    await expect(read(encode(later, []))).rejects.toThrow(UnsupportedError);
    await expect(read(encode(Buffer.from('8102', 'hex'), []))).rejects.toThrow(UnsupportedError);
    const chunker = Buffer.from(bytes);
    chunker[bytes.length - 1] = 0x39;
    await expect(read(encode(chunker, []))).rejects.toThrow(/unsupported: chunker "fastcdc-v9"/);
  });
});

function encode(first: Buffer, records: readonly IndexRecord[]): Buffer {
  const encoder = new RecordStreamEncoder('index');
  encoder.add(first);
  for (const record of records) encoder.add(encodeIndexRecord(record));
  return encoder.finish();
}
