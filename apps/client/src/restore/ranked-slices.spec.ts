import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeKeys, ID_BYTES } from '#engine';
import { PlacementSpool } from './placement-spool';
import { RankedSlices } from './ranked-slices';
import { createSpools, type SpoolFile } from './spool-file';

const KEY_BYTES = 1 + ID_BYTES;
/** More than one piece of keys. */
const MANY = 5_000;

describe('RankedSlices', () => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-ranks-'));
  afterAll(() => {
    rmSync(root, { recursive: true });
  });
  let file: SpoolFile;
  let placements: PlacementSpool;
  beforeEach(() => {
    file = createSpools(root, ['placements']).placements;
    placements = new PlacementSpool(file);
  });
  afterEach(() => {
    file.close();
  });
  const { signal } = new AbortController();

  const add = (count: number): void => {
    for (let at = 0; at < count; at += 1) {
      const id = Buffer.alloc(ID_BYTES);
      id.writeUInt32LE(placements.count);
      placements.add({ number: 0, into: 'file', offset: 0, length: 1, id });
    }
  };
  /** Ranks are the numbers in the ids. */
  const rank = (bytes: Buffer): Uint32Array =>
    Uint32Array.from(decodeKeys(bytes, MANY), ({ id }) => Buffer.from(id).readUInt32LE(0));
  const allOf = async (slices: RankedSlices): Promise<number[]> => {
    const all: number[] = [];
    for await (const { start, ranks } of slices.all()) {
      expect(start).toBe(all.length);
      all.push(...ranks);
    }
    return all;
  };
  const expected = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

  it('sends keys while placements are still being added, in one request', async () => {
    let requests = 0;
    let received = 0;
    const firstPiece = Promise.withResolvers<undefined>();
    const slices = new RankedSlices(
      placements,
      {
        ranks: async (keys) => {
          requests += 1;
          const pieces: Buffer[] = [];
          for await (const piece of keys()) {
            pieces.push(piece);
            received += piece.length;
            firstPiece.resolve(undefined);
          }
          return rank(Buffer.concat(pieces));
        },
      },
      signal,
    );
    add(MANY - 1);
    await firstPiece.promise;
    expect(received).toBeLessThan((MANY - 1) * KEY_BYTES);
    add(1);
    placements.complete();
    expect(await allOf(slices)).toEqual(expected(MANY));
    expect(requests).toBe(1);
  });

  it('asks again when the early request broke off, and tells what is wrong then', async () => {
    let requests = 0;
    let isRefused = false;
    const slices = (): RankedSlices =>
      new RankedSlices(
        placements,
        {
          ranks: async (keys) => {
            requests += 1;
            if (requests === 1 || isRefused) throw new Error(`request ${requests} broke off`);
            const pieces: Buffer[] = [];
            for await (const piece of keys()) pieces.push(piece);
            return rank(Buffer.concat(pieces));
          },
        },
        signal,
      );
    const first = slices();
    add(3);
    placements.complete();
    expect(await allOf(first)).toEqual(expected(3));
    expect(requests).toBe(2);
    isRefused = true;
    await expect(allOf(slices())).rejects.toThrow('request 4 broke off');
  });

  it('asks for nothing when there is nothing', async () => {
    const slices = new RankedSlices(placements, { ranks: () => Promise.reject(new Error('asked')) }, signal);
    placements.complete();
    expect(await allOf(slices)).toEqual([]);
  });

  it('refuses an answer of another length than was asked for', async () => {
    const slices = new RankedSlices(placements, { ranks: () => Promise.resolve(new Uint32Array(2)) }, signal);
    add(3);
    placements.complete();
    await expect(allOf(slices)).rejects.toMatchObject({ code: 'bad-answer' });
  });

  it('ends the early request when the placements are abandoned, before their file is closed', async () => {
    const ended = Promise.withResolvers<unknown>();
    const slices = new RankedSlices(
      placements,
      {
        ranks: async (keys) => {
          try {
            for await (const piece of keys()) expect(piece.length % KEY_BYTES).toBe(0);
          } catch (error) {
            ended.resolve(error);
            throw error;
          }
          throw new Error('all keys came');
        },
      },
      signal,
    );
    add(1);
    await Promise.resolve();
    placements.abandon();
    expect(await ended.promise).toMatchObject({ message: 'the restore has ended' });
    placements.complete();
    await expect(allOf(slices)).rejects.toThrow('the restore has ended');
  });
});
