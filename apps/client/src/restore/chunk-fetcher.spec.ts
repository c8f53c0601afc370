import { type ChunkKey, dataChunkId, keyString } from '#engine';
import { ChunkFetcher } from './chunk-fetcher';
import { KeyTable } from './key-table';
import { FakeServer } from './testing';

const TEXTS = ['one', 'two', 'three'];
const { signal } = new AbortController();

describe('ChunkFetcher', () => {
  let server: FakeServer;
  let keys: KeyTable;
  beforeEach(() => {
    server = new FakeServer().directory('/');
    keys = new KeyTable();
    for (const text of TEXTS) {
      server.file(`/${text}`, text);
      keys.add({ id: dataChunkId(Buffer.from(text)), height: 0 });
    }
  });

  it('hands over each chunk once, by its number among the keys', async () => {
    const found: number[] = [];
    const missing = await new ChunkFetcher(server, signal).fetchBlocks(keys, 100, (block, chunks) => {
      for (const { position, key } of chunks) {
        expect(keyString(block.header.chunks[position] as ChunkKey)).toBe(keyString(keys.at(key)));
        found.push(key);
      }
      return Promise.resolve(true);
    });
    expect(missing).toEqual([]);
    expect(found.sort()).toEqual([0, 1, 2]);
    expect(server.reads).toHaveLength(1);
  });

  it('asks once more for what was not sound, and for nothing else, and has the server look for damage then', async () => {
    let isFirst = true;
    const missing = await new ChunkFetcher(server, signal).fetchBlocks(keys, 100, (_, chunks) => {
      const isBad = isFirst && chunks.some(({ key }) => key === 1);
      if (isBad) isFirst = false;
      return Promise.resolve(!isBad);
    });
    expect(missing).toEqual([]);
    expect(server.reads).toHaveLength(2);
    expect(server.reads[1]).toEqual([keyString(keys.at(1))]);
    expect(server.verifiers).toEqual(['asker', 'server']);
  });

  it('tells the numbers of what cannot be had, after two questions', async () => {
    server.chunks.delete(keyString(keys.at(2)));
    const take = () => Promise.resolve(true);
    expect(await new ChunkFetcher(server, signal).fetchBlocks(keys, 100, take)).toEqual([2]);
    expect(server.reads.map((read) => read.length)).toEqual([3, 1]);
  });

  it.each([
    [
      'at once',
      () => {
        throw new Error('disk full');
      },
    ],
    ['later', () => Promise.reject(new Error('disk full'))],
  ])('ends with what the taker throws %s, and asks no more', async (_, take) => {
    await expect(new ChunkFetcher(server, signal).fetchBlocks(keys, 100, take)).rejects.toThrow('disk full');
    expect(server.reads).toHaveLength(1);
  });
});
