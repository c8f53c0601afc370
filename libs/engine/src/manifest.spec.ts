import { crc32, zstdCompressSync } from 'node:zlib';
import { collect, cuts, damageOf, damageOfAsync, flips, inPieces, otherForms } from '../golden/damage';
import { golden } from '../golden/golden';
import { SAMPLE_CHANGES } from '../golden/records';
import { CHUNKER_ID } from './chunker';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import {
  decodeManifestHeader,
  encodeManifestHeader,
  type ManifestHeader,
  manifestKey,
  openManifest,
  voidKey,
} from './manifest';
import { frameHead, MAX_FRAME_BYTES, streamHeader } from './record-frame';
import { decodeRecords, RecordStreamEncoder } from './record-stream';
import { type Change, encodeChange } from './records';

const header: ManifestHeader = {
  runId: '01234567-89ab-4cde-8f01-23456789abcd',
  parentRunId: '11111111-2222-4333-8444-555555555555',
  taskId: 'ffffffff-ffff-4fff-bfff-ffffffffffff',
  number: 42,
  stampMs: 1_764_000_000_123,
  outcome: 'partial',
  platform: 'linux',
  chunkerId: 'fastcdc-v1',
  roots: [Buffer.from('/home'), Buffer.from('/srv/\xff', 'latin1')],
};
const file = encode(encodeManifestHeader(header), SAMPLE_CHANGES);

async function read(bytes: Buffer): Promise<{ header: ManifestHeader; records: Change[] }> {
  const manifest = await openManifest(inPieces(bytes), 'manifest');
  return { header: manifest.header, records: await collect(manifest.records) };
}

describe('the manifest of a run', () => {
  it('is written as it always was', async () => {
    const frozen = golden('manifest.bin', () => file);
    expect(file).toEqual(frozen);
    expect(await read(frozen)).toEqual({ header, records: SAMPLE_CHANGES });
  });

  it('may be compressed, which nothing else may', async () => {
    const compressed = golden('manifest-v2.bin', () => encodeCompressed(SAMPLE_CHANGES));
    expect(await read(compressed)).toEqual({ header, records: SAMPLE_CHANGES });
    for (const { damaged } of flips(compressed)) {
      const damage = await damageOfAsync(() => read(damaged));
      expect(damage instanceof CorruptError || damage instanceof UnsupportedError).toBe(true);
    }
    for (const cut of cuts(compressed)) expect(await damageOfAsync(() => read(cut))).toBeInstanceOf(CorruptError);
    const changes = new RecordStreamEncoder('changes', 'compressed');
    changes.add(encodeChange(SAMPLE_CHANGES[0]!));
    expect(() => decodeRecords(changes.finish(), 'changes', 'batch')).toThrow(UnsupportedError);
  });

  it('is a third as large compressed, and has the same digest', async () => {
    const many: Change[] = Array.from({ length: 4_000 }, (_, at) => ({
      type: 'close',
      reason: 'deleted',
      path: Buffer.from(`/home/somebody/documents/letter-${at}`),
    }));
    const compressed = encodeCompressed(many);
    expect(compressed.length).toBeLessThan(encode(encodeManifestHeader(header), many).length / 3);
    expect(await read(compressed)).toEqual({ header, records: many });
    // The digest in the trailer is that of the payloads, whatever form they stand in.
    expect(compressed.subarray(-32)).toEqual(encode(encodeManifestHeader(header), many).subarray(-32));
  });

  it('refuses a frame that expands to more than a frame holds', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(MAX_FRAME_BYTES + 1));
    const bytes = Buffer.concat([streamHeader('manifest', 'compressed'), frameHead(bomb.length, crc32(bomb)), bomb]);
    await expect(read(bytes)).rejects.toThrow(/does not decompress/);
    const empty = zstdCompressSync(Buffer.alloc(0));
    const hollow = Buffer.concat([
      streamHeader('manifest', 'compressed'),
      frameHead(empty.length, crc32(empty)),
      empty,
    ]);
    await expect(read(hollow)).rejects.toThrow(CorruptError);
  });

  it('of the first run names no parent, and may hold no change', async () => {
    const first: ManifestHeader = { ...header, parentRunId: null, number: 1, outcome: 'succeeded', roots: [] };
    expect(await read(encode(encodeManifestHeader(first), []))).toEqual({ header: first, records: [] });
  });

  it('says which chunker cut the files, of this version or one before', async () => {
    for (const chunkerId of ['fastcdc-v1', CHUNKER_ID]) {
      const other = { ...header, chunkerId };
      expect(await read(encode(encodeManifestHeader(other), []))).toEqual({ header: other, records: [] });
    }
  });

  it('reports any flipped bit, with the place', async () => {
    for (const { damaged, at } of flips(file)) {
      const damage = await damageOfAsync(() => read(damaged));
      expect(damage).toBeInstanceOf(at === 4 ? UnsupportedError : CorruptError);
      expect(damage!.place).toMatch(/^manifest, (byte|record) \d+/);
    }
  });

  it('reports any missing end and anything that follows', async () => {
    for (const cut of cuts(file)) expect(await damageOfAsync(() => read(cut))).toBeInstanceOf(CorruptError);
    await expect(read(Buffer.concat([file, Buffer.of(0)]))).rejects.toThrow(CorruptError);
  });

  it('names the record that is no change', async () => {
    const encoder = new RecordStreamEncoder('manifest');
    encoder.add(encodeManifestHeader(header));
    encoder.add(encodeChange(SAMPLE_CHANGES[0]!));
    encoder.add(Buffer.from('no change'));
    await expect(read(encoder.finish())).rejects.toMatchObject({ place: 'manifest, record 3, byte 0' });
  });

  it('has a header of one form', () => {
    const bytes = encodeManifestHeader(header);
    for (const { form, bytes: other } of otherForms(bytes)) {
      const damage = damageOf(() => decodeManifestHeader(other, 'manifest'));
      if (damage !== null) continue;
      if (!encodeManifestHeader(decodeManifestHeader(other, 'manifest')).equals(other)) throw new Error(form);
    }
    for (const cut of cuts(bytes)) expect(() => decodeManifestHeader(cut, 'manifest')).toThrow(CorruptError);
    for (const { damaged } of flips(bytes)) {
      const damage = damageOf(() => decodeManifestHeader(damaged, 'manifest'));
      if (damage === null) expect(encodeManifestHeader(decodeManifestHeader(damaged, 'manifest'))).toEqual(damaged);
    }
  });

  it('of another version or chunker is refused', () => {
    const later = encodeManifestHeader(header);
    later[1] = 2;
    expect(() => decodeManifestHeader(later, 'manifest')).toThrow(UnsupportedError);
    const chunker = encodeManifestHeader(header);
    chunker[chunker.indexOf('fastcdc-v1') + 9] = 0x39;
    expect(() => decodeManifestHeader(chunker, 'manifest')).toThrow(/unsupported: chunker "fastcdc-v9"/);
  });

  it.each<[string, Partial<ManifestHeader>]>([
    ['a run that is no UUID', { runId: 'run' }],
    ['a negative number', { number: -1 }],
    ['a fraction of a millisecond', { stampMs: 0.5 }],
    ['a platform too long', { platform: 'x'.repeat(65) }],
    ['a chunker that nobody knows', { chunkerId: 'fastcdc-v9' }],
    ['a relative root', { roots: [Buffer.from('home')] }],
  ])('cannot have %s', (_, wrong) => {
    expect(() => encodeManifestHeader({ ...header, ...wrong })).toThrow(InvalidError);
  });

  it('lies beside the others of its task', () => {
    expect(manifestKey('t', 7, 'r')).toBe('tasks/t/run-7-r');
    expect(voidKey('t', 7, 'r')).toBe('tasks/t/void-7-r');
  });
});

function encode(first: Buffer, changes: readonly Change[]): Buffer {
  const encoder = new RecordStreamEncoder('manifest');
  encoder.add(first);
  for (const change of changes) encoder.add(encodeChange(change));
  return encoder.finish();
}

function encodeCompressed(changes: readonly Change[]): Buffer {
  const encoder = new RecordStreamEncoder('manifest', 'compressed');
  const parts = [encodeManifestHeader(header), ...changes.map(encodeChange)].map((record) => encoder.add(record));
  return Buffer.concat([...parts.flatMap((part) => (part === null ? [] : [part])), encoder.finish()]);
}
