import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { golden, seededBytes } from '../golden/golden';
import { AVG_CHUNK_BYTES, cutLength, GEAR, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from './chunker';
import { InvalidError } from './errors';

const MIB = 1024 * 1024;
const data = seededBytes(32 * MIB, 1);

describe('cutLength', () => {
  it('cuts as it always did', () => {
    const cuts = {
      gearSha256: createHash('sha256').update(Buffer.from(GEAR.buffer)).digest('hex'),
      seed1Of32MiB: lengths(data),
      seed7Of9MiB: lengths(seededBytes(9 * MIB + 3, 7)),
      // Bytes of few different values, with long repeats: other places in the gear table.
      halfByteOf12MiB: lengths(seededBytes(12 * MIB, 99).map((byte) => byte & 0x0f)),
    };
    const lines = Object.entries(cuts).map(([name, value]) => `${name} ${[value].flat().join(' ')}\n`);
    const bytes = Buffer.from(lines.join(''));
    expect(bytes.toString()).toBe(golden('chunker-cuts-v2.txt', () => bytes).toString());
  });

  it('cuts where a slow reading of the description says', () => {
    for (const [start, end] of [
      [0, 8 * MIB],
      [5 * MIB + 1, 10 * MIB + 2],
      [3, MIN_CHUNK_BYTES + 6],
      [1, AVG_CHUNK_BYTES + 4],
    ] as const) {
      expect(cutLength(data, start, end)).toBe(slowCutLength(data, start, end));
    }
  });

  it('keeps every chunk but the last within minimum and maximum, around the average', () => {
    const all = lengths(data).slice(0, -1);
    expect(Math.min(...all)).toBeGreaterThan(MIN_CHUNK_BYTES);
    expect(Math.max(...all)).toBeLessThanOrEqual(MAX_CHUNK_BYTES);
    const average = all.reduce((sum, length) => sum + length, 0) / all.length;
    expect(average).toBeGreaterThan(0.8 * AVG_CHUNK_BYTES);
    expect(average).toBeLessThan(1.5 * AVG_CHUNK_BYTES);
  });

  it('leaves a file up to the minimum whole', () => {
    for (const length of [1, 2, 33, MIN_CHUNK_BYTES - 1, MIN_CHUNK_BYTES]) {
      expect(cutLength(data, 0, length)).toBe(length);
    }
  });

  it('gives the file back when its chunks are joined, however the stream of it was cut', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 3 * MIB }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 * MIB }),
        fc.integer({ min: 0, max: 8 * MIB }),
        pieces,
        (size, skip, steps) => {
          const file = data.subarray(skip, skip + size);
          const chunks = chunkStream(cutIntoPieces(file, steps));
          expect(Buffer.concat(chunks).equals(file)).toBe(true);
          expect(chunks.map((chunk) => chunk.length)).toEqual(lengths(file));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('moves only nearby cuts when bytes are inserted or removed', () => {
    const before = chunkSet(data);
    for (const [at, inserted] of [
      [0, 1],
      [10 * MIB + 5, 1],
      [10 * MIB + 5, 777],
      [20 * MIB, MIB],
    ] as const) {
      // Two beside the place, and two until old cuts are found again; what was inserted is cut as well.
      const nearby = 4 + Math.floor(inserted / MIN_CHUNK_BYTES);
      const longer = Buffer.concat([data.subarray(0, at), seededBytes(inserted, 5), data.subarray(at)]);
      expect(countMissing(chunkSet(longer), before)).toBeLessThanOrEqual(nearby);
      const shorter = Buffer.concat([data.subarray(0, at), data.subarray(at + inserted)]);
      expect(countMissing(chunkSet(shorter), before)).toBeLessThanOrEqual(4);
    }
  });

  it('depends on nothing before the chunk and nothing beyond the maximum', () => {
    const first = cutLength(data, 0, data.length);
    const moved = Buffer.concat([seededBytes(12_345, 3), data.subarray(0, MAX_CHUNK_BYTES)]);
    expect(cutLength(moved, 12_345, moved.length)).toBe(first);
  });

  it('cuts a region of one repeated byte, zeros first, at the maximum', () => {
    const bytes = Buffer.alloc(2 * MAX_CHUNK_BYTES + 5);
    expect(lengths(bytes)).toEqual([MAX_CHUNK_BYTES, MAX_CHUNK_BYTES, 5]);
    // The hash of a repeated byte b settles at -GEAR[b] after 32 bytes: no byte may settle on a cut.
    for (let byte = 0; byte < 256; byte++) expect((-GEAR[byte]! & 0xffff8000) === 0).toBe(false);
  });

  it('refuses a range that holds no bytes', () => {
    expect(() => cutLength(data, 5, 5)).toThrow(InvalidError);
    expect(() => cutLength(data, 0, data.length + 1)).toThrow(InvalidError);
    expect(() => cutLength(data, -1, 5)).toThrow(InvalidError);
  });
});

function lengths(bytes: Uint8Array): number[] {
  const result: number[] = [];
  for (let start = 0; start < bytes.length; start += result.at(-1)!) result.push(cutLength(bytes, start, bytes.length));
  return result;
}

/** The format's description, word for word, with unsigned arithmetic and one byte a turn. */
function slowCutLength(bytes: Uint8Array, start: number, end: number): number {
  const length = Math.min(end - start, MAX_CHUNK_BYTES);
  for (let cut = MIN_CHUNK_BYTES + 1; cut <= length; cut++) {
    let hash = 0;
    for (let i = start + cut - 32; i < start + cut; i++) hash = (hash * 2 + (GEAR[bytes[i]!]! >>> 0)) % 2 ** 32;
    if (Math.floor(hash / 2 ** (cut <= AVG_CHUNK_BYTES ? 11 : 15)) === 0) return cut;
  }
  return length;
}

/** What an agent does: reads pieces as they come, keeps at least the maximum ahead until the file ends. */
function chunkStream(pieces: Iterable<Buffer>): Buffer[] {
  const chunks: Buffer[] = [];
  let held = Buffer.alloc(0);
  for (const piece of pieces) {
    held = Buffer.concat([held, piece]);
    while (held.length >= MAX_CHUNK_BYTES) held = held.subarray(takeChunk(held));
  }
  while (held.length > 0) held = held.subarray(takeChunk(held));
  return chunks;

  function takeChunk(bytes: Buffer): number {
    const length = cutLength(bytes, 0, bytes.length);
    chunks.push(bytes.subarray(0, length));
    return length;
  }
}

function* cutIntoPieces(file: Buffer, steps: readonly number[]): Generator<Buffer> {
  for (let at = 0, turn = 0; at < file.length; turn++) {
    const step = steps[turn % steps.length]! + (turn >= steps.length ? MIB : 0);
    yield file.subarray(at, at + step);
    at += step;
  }
}

function chunkSet(bytes: Buffer): Set<string> {
  const ids = new Set<string>();
  let start = 0;
  for (const length of lengths(bytes)) {
    ids.add(
      createHash('sha256')
        .update(bytes.subarray(start, start + length))
        .digest('hex'),
    );
    start += length;
  }
  return ids;
}

function countMissing(ids: Set<string>, known: Set<string>): number {
  return [...ids].filter((id) => !known.has(id)).length;
}
