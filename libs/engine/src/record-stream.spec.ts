import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { collect, cuts, damageOf, damageOfAsync, flips, inPieces } from '../golden/damage';
import { golden, seededBytes } from '../golden/golden';
import { SAMPLE_CHANGES } from '../golden/records';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import { FRAME_HEAD_BYTES, MAX_FRAME_BYTES, MAX_RECORD_BYTES, STREAM_HEADER_BYTES } from './record-frame';
import { decodeRecords, decodeRecordStream, readFrames, RecordStreamEncoder } from './record-stream';
import { encodeChange } from './records';

const sample = SAMPLE_CHANGES.map(encodeChange);
const stream = encode(sample);
const VERSION_BYTE = 4;

describe('record streams', () => {
  it('are written as they always were', () => {
    const frozen = golden('changes.bin', () => stream);
    expect(stream).toEqual(frozen);
    expect(decodeRecords(frozen, 'changes', 'golden').records).toEqual(sample);
  });

  it('give their records back, in pieces of any length and at once', async () => {
    const records = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(records, fc.integer({ min: 1, max: 70 }), async (given, piece) => {
        const wanted = given.map((record) => Buffer.from(record));
        const encoder = new RecordStreamEncoder('entries');
        const bytes = encode(wanted, encoder);
        expect(encoder.count).toBe(given.length);
        expect(await collect(decodeRecordStream(inPieces(bytes, piece), 'entries', 'test'))).toEqual(wanted);
        const atOnce = decodeRecords(bytes, 'entries', 'test');
        const payloads = expect.any(Array) as Buffer[];
        expect(atOnce).toEqual({ records: wanted, payloads, digest: encoder.digest });
        expect(createHash('sha256').update(Buffer.concat(atOnce.payloads)).digest()).toEqual(encoder.digest);
      }),
    );
  });

  it('take over frames as they are, of any stretch, and are read in one go', () => {
    const records = Array.from({ length: 3000 }, (_, number) => Buffer.alloc(100 + (number % 400), number));
    const encoder = new RecordStreamEncoder('index');
    const whole = Buffer.concat([...records.map((record) => encoder.add(record) ?? Buffer.alloc(0)), encoder.finish()]);
    const readerOf = (bytes: Buffer) => {
      let at = 0;
      return (length: number) => bytes.subarray(at, (at += length));
    };
    const copy = new RecordStreamEncoder('index');
    const pieces: Buffer[] = [];
    const keep = (piece: Buffer | null) => piece !== null && pieces.push(piece);
    for (const frame of readFrames(readerOf(whole), 'index', 'test')) {
      const [first, ...rest] = [0, 1, 2, 3].map((part) => frame.length - Math.floor((frame.length * part) / 4));
      expect(first).toBe(frame.length);
      let from = 0;
      let count = 0;
      for (let at = 0; at < frame.length;) {
        at += 4 + frame.readUInt32LE(at);
        count += 1;
        if (at < frame.length && !rest.some((edge) => Math.abs(edge - at) < 300)) continue;
        keep(copy.addFramed(frame.subarray(from, at), count));
        [from, count] = [at, 0];
      }
    }
    keep(copy.finish());
    expect(copy.count).toBe(3000);
    expect(copy.digest).toEqual(encoder.digest);
    expect(decodeRecords(Buffer.concat(pieces), 'index', 'test').records).toEqual(records);
    const damaged = Buffer.from(whole);
    damaged[whole.length - 1]! ^= 1;
    expect(() => [...readFrames(readerOf(damaged), 'index', 'test')]).toThrow(CorruptError);
    expect(() => [...readFrames(readerOf(whole.subarray(0, -1)), 'index', 'test')]).toThrow('too early');
    expect(() => [...readFrames(readerOf(Buffer.concat([whole, whole])), 'index', 'test')]).toThrow('follows the end');
    expect(() => copy.addFramed(Buffer.alloc(1), 1)).toThrow(InvalidError);
  });

  it('hand out frames while records are added, in bounded pieces', async () => {
    const encoder = new RecordStreamEncoder('index');
    const record = seededBytes(1000, 1);
    const pieces: Buffer[] = [];
    for (let i = 0; i < 2000; i++) {
      const ready = encoder.add(record);
      if (ready !== null) pieces.push(ready);
    }
    pieces.push(encoder.finish());
    expect(pieces.length).toBeGreaterThan(6);
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(300 * 1024);
    async function* source() {
      yield* pieces;
    }
    expect(await collect(decodeRecordStream(source(), 'index', 'test'))).toHaveLength(2000);
  });

  it('hold records up to the limit, in frames up to theirs', () => {
    const records = [1, MAX_RECORD_BYTES, 200_000, MAX_RECORD_BYTES, MAX_RECORD_BYTES - 200_000, 7].map(
      (length, seed) => seededBytes(length, seed + 1),
    );
    const read = decodeRecords(encode(records), 'changes', 'test').records;
    expect(read.every((record, number) => record.equals(records[number]!))).toBe(true);
    const encoder = new RecordStreamEncoder('changes');
    expect(() => encoder.add(Buffer.alloc(MAX_RECORD_BYTES + 1))).toThrow(InvalidError);
    expect(() => encoder.add(Buffer.alloc(0))).toThrow(InvalidError);
    expect(decodeRecords(encoder.finish(), 'changes', 'test').records).toEqual([]);
    expect(() => encoder.add(Buffer.of(1))).toThrow(InvalidError);
    expect(() => encoder.finish()).toThrow(InvalidError);
  });

  it('report any flipped bit, with the place', async () => {
    for (const { damaged, at } of flips(stream)) {
      const damage = damageOf(() => decodeRecords(damaged, 'changes', 'batch'));
      expect(damage).toBeInstanceOf(at === VERSION_BYTE ? UnsupportedError : CorruptError);
      expect(damage!.place).toMatch(/^batch, byte \d+ \(.* after record \d+\)$/);
    }
    for (let at = 0; at < stream.length; at++) {
      const damaged = Buffer.from(stream);
      damaged[at] = stream.readUInt8(at) ^ 0xff;
      const damage = await damageOfAsync(() => collect(decodeRecordStream(inPieces(damaged), 'changes', 'batch')));
      expect(damage).toBeInstanceOf(at === VERSION_BYTE ? UnsupportedError : CorruptError);
    }
  });

  it('report any missing end and anything that follows', async () => {
    for (const cut of cuts(stream)) {
      expect(damageOf(() => decodeRecords(cut, 'changes', 'batch'))).toBeInstanceOf(CorruptError);
      const damage = await damageOfAsync(() => collect(decodeRecordStream(inPieces(cut), 'changes', 'batch')));
      expect(damage?.message).toContain('ends too early');
    }
    const longer = Buffer.concat([stream, Buffer.of(0)]);
    expect(() => decodeRecords(longer, 'changes', 'batch')).toThrow('something follows the end');
    const damage = await damageOfAsync(() => collect(decodeRecordStream(inPieces(longer), 'changes', 'batch')));
    expect(damage?.message).toContain('something follows the end');
  });

  it('report frames that are lost, doubled or exchanged, though each is whole', () => {
    const [a, b] = [framed([Buffer.from('aa')]), framed([Buffer.from('bb')])];
    const whole = encode([Buffer.from('aa'), Buffer.from('bb')]);
    const header = whole.subarray(0, STREAM_HEADER_BYTES);
    const end = whole.subarray(-48);
    expect(decodeRecords(Buffer.concat([header, a, b, end]), 'changes', 'test').records).toHaveLength(2);
    for (const frames of [[a], [b, a], [a, a], [a, b, b], [a, a, b], []]) {
      const bytes = Buffer.concat([header, ...frames, end]);
      expect(() => decodeRecords(bytes, 'changes', 'test')).toThrow(CorruptError);
    }
  });

  it('of another type are refused', () => {
    expect(() => decodeRecords(stream, 'manifest', 'test')).toThrow('type 2, not manifest');
  });

  it('refuse a frame that claims too much before its bytes are asked for', async () => {
    const claim = Buffer.alloc(FRAME_HEAD_BYTES);
    claim.writeUInt32LE(MAX_FRAME_BYTES + 1, 0);
    let asked = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      yield Buffer.concat([stream.subarray(0, STREAM_HEADER_BYTES), claim]);
      for (;;) {
        asked++;
        yield Buffer.alloc(65_536);
      }
    }
    const damage = await damageOfAsync(() => collect(decodeRecordStream(endless(), 'changes', 'test')));
    expect(damage?.message).toContain('claims 1048577 bytes');
    expect(asked).toBe(0);
  });

  it.each([
    ['of length 0', '00000000'],
    ['beyond the frame', '02000000 61'],
    ['of absurd length', 'ffffffff 61'],
    ['cut in its length', '01000000 61 0100'],
  ])('refuse a record %s', (_, hex) => {
    const payload = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const bytes = Buffer.concat([stream.subarray(0, STREAM_HEADER_BYTES), frameOf(payload), stream.subarray(-48)]);
    expect(() => decodeRecords(bytes, 'changes', 'test')).toThrow('does not fit its frame');
  });

  it('let their source go when the reader stops early', async () => {
    let isReleased = false;
    async function* source() {
      try {
        yield stream;
      } finally {
        isReleased = true;
      }
    }
    for await (const record of decodeRecordStream(source(), 'changes', 'test')) {
      expect(record).toEqual(sample[0]);
      break;
    }
    expect(isReleased).toBe(true);
  });

  it('pass on the error of their source', async () => {
    async function* source(): AsyncGenerator<Buffer> {
      yield stream.subarray(0, 100);
      throw new Error('disk gone');
    }
    await expect(collect(decodeRecordStream(source(), 'changes', 'test'))).rejects.toThrow('disk gone');
  });

  it('know their digest once they are finished', () => {
    const encoder = new RecordStreamEncoder('changes');
    expect(() => encoder.digest).toThrow(InvalidError);
    encoder.finish();
    expect(encoder.digest.toString('hex')).toMatch(/^e3b0c44298fc1c14/);
  });
});

function encode(records: readonly Buffer[], encoder = new RecordStreamEncoder('changes')): Buffer {
  const parts = records.map((record) => encoder.add(record)).filter((part) => part !== null);
  return Buffer.concat([...parts, encoder.finish()]);
}

function framed(records: readonly Buffer[]): Buffer {
  return frameOf(Buffer.concat(records.flatMap((record) => [u32(record.length), record])));
}

function frameOf(payload: Buffer): Buffer {
  return Buffer.concat([u32(payload.length), u32(crc32(payload)), payload]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
