import { encodeDraftFrame, readDraft } from './manifest-draft';
import { decodeRecordStream, RecordStreamEncoder } from './record-stream';

const framed = (...records: string[]): Buffer =>
  Buffer.concat(
    records.map((record) => {
      const bytes = Buffer.alloc(4 + record.length);
      bytes.writeUInt32LE(record.length);
      bytes.write(record, 4);
      return bytes;
    }),
  );

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function payloadsOf(bytes: Buffer, size = 7): Promise<Buffer[]> {
  const payloads: Buffer[] = [];
  for await (const { payload } of readDraft(inPieces(bytes, size), 'a draft')) payloads.push(payload);
  return payloads;
}

describe('A draft of a manifest', () => {
  const payloads = [framed('first', 'second'), framed('x'.repeat(5_000)), framed('last')];
  const draft = async (): Promise<Buffer> => Buffer.concat(await Promise.all(payloads.map(encodeDraftFrame)));

  it('is read as it was written, in pieces of any size', async () => {
    for (const size of [1, 7, 100_000]) expect(await payloadsOf(await draft(), size)).toEqual(payloads);
    expect(await payloadsOf(Buffer.alloc(0))).toEqual([]);
  });

  it('becomes the body of a manifest that readers take, after records that were added one by one', async () => {
    const encoder = new RecordStreamEncoder('manifest', 'compressed');
    const parts = [encoder.add(Buffer.from('header')) ?? Buffer.alloc(0)];
    for await (const frame of readDraft(inPieces(await draft(), 64), 'a draft')) parts.push(encoder.addFrame(frame));
    expect(encoder.count).toBe(5);
    parts.push(encoder.add(Buffer.from('one more')) ?? Buffer.alloc(0), encoder.finish());
    const records: string[] = [];
    for await (const record of decodeRecordStream(inPieces(Buffer.concat(parts), 50), 'manifest', 'a manifest')) {
      records.push(record.toString());
    }
    expect(records).toEqual(['header', 'first', 'second', 'x'.repeat(5_000), 'last', 'one more']);
  });

  it('is corrupt with any flipped bit, and cut anywhere but between frames', async () => {
    const bytes = await draft();
    const ends = new Set([0]);
    for (let at = 0; at < bytes.length;) ends.add((at += 8 + bytes.readUInt32LE(at)));
    for (let at = 0; at < bytes.length; at += 1) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      await expect(payloadsOf(flipped)).rejects.toThrow('a draft');
      if (!ends.has(at)) await expect(payloadsOf(bytes.subarray(0, at))).rejects.toThrow('a draft');
    }
  });

  it('has no place in a plain record stream, nor after the end of one', async () => {
    const frame = { payload: framed('a'), stored: Buffer.from('b') };
    expect(() => new RecordStreamEncoder('manifest').addFrame(frame)).toThrow('plain');
    const finished = new RecordStreamEncoder('manifest', 'compressed');
    finished.finish();
    expect(() => finished.addFrame(frame)).toThrow('finished');
    await expect(encodeDraftFrame(Buffer.alloc(0))).rejects.toThrow('0 bytes');
    await expect(encodeDraftFrame(Buffer.alloc(1024 * 1024 + 1))).rejects.toThrow('1048577 bytes');
  });
});
