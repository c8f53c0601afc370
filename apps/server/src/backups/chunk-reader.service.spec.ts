import { LIMITS, type Verifier } from '#common';
import {
  type ChunkKey,
  CorruptError,
  dataChunkId,
  decodeBlock,
  encodeBlock,
  encodeKeys,
  keyString,
  type PlainChunk,
} from '#engine';
import type { Value } from '../database/sql';
import { eachDatabase } from '../database/testing';
import { DomainError } from '../http/domain-error';
import type { MemoryStorage } from '../storage/memory.storage';
import type { ByteRange, Storage } from '../storage/storage';
import { packKey } from '../storage/storage.contract';
import { NO_RANK } from './chunk-ranks';
import { blockOf, dataChunk, IngestBench, inPieces } from './ingest.testing';
import type { RunGrant } from './run-grant';

/** A storage whose reads first call `before`. */
const hooked = (before: (key: string) => Promise<void>) => (memory: MemoryStorage) =>
  Object.assign(Object.create(memory) as Storage, {
    get: async (key: string, range?: ByteRange) => {
      await before(key);
      return memory.get(key, range);
    },
  });

eachDatabase('ChunkReaderService', (open) => {
  let bench: IngestBench;
  let domain: number;
  let run: RunGrant;
  beforeEach(async () => {
    bench = IngestBench.open(await open());
    domain = await bench.newDomain();
    run = await bench.newRun(domain);
  });
  afterEach(() => {
    bench.close();
  });

  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((seed) => dataChunk(seed)) as [
    PlainChunk,
    PlainChunk,
    PlainChunk,
    PlainChunk,
  ];
  const names = (chunks: readonly ChunkKey[]) => chunks.map(keyString).sort();
  const readNames = async (keys: readonly ChunkKey[], from = bench) =>
    [...(await from.read(domain, keys)).chunks.keys()].sort();
  const damagedIds = async () => {
    const rows = await bench.db.database.read((sql) =>
      sql.all<{ id: Buffer }>('select id from chunks where damaged = 1'),
    );
    return hex(rows);
  };
  const hex = (chunks: readonly { id: Buffer }[]) => chunks.map(({ id }) => id.toString('hex')).sort();
  const ranks = (keys: readonly ChunkKey[], from = domain) => bench.reader.ranks(from, inPieces(encodeKeys(keys), 7));

  describe('reading', () => {
    it('sends a stored block as it is when all of it was asked for', async () => {
      const blocks = [blockOf(a, b), blockOf(c)];
      await bench.send(run, blocks);
      expect((await bench.read(domain, [c, b, a])).sent).toEqual(Buffer.concat(blocks));
    });

    it('cuts out what was asked for, and joins small cuttings', async () => {
      await bench.send(run, [blockOf(a, b), blockOf(c, d)]);
      const { sent, chunks } = await bench.read(domain, [d, a]);
      expect(sent).toEqual(encodeBlock([a, d], { level: 1 }));
      expect(chunks.get(keyString(d))).toEqual(d.bytes);
    });

    it('reads each block once, in storage order', async () => {
      await bench.send(run, [blockOf(a, b), blockOf(c, d)]);
      const offsets: number[] = [];
      const watched = bench.with((memory) =>
        Object.assign(Object.create(memory) as Storage, {
          get: (key: string, range: ByteRange) => {
            offsets.push(range.offset);
            return memory.get(key, range);
          },
        }),
      );
      expect(await readNames([d, b, c, a, a], watched)).toEqual(names([a, b, c, d]));
      expect(offsets).toHaveLength(2);
      expect(offsets[0]).toBeLessThan(offsets[1]!);
    });

    it('leaves out what the domain does not have', async () => {
      await bench.send(run, [blockOf(a)]);
      expect(await readNames([a, b, { id: a.id, height: 1 }])).toEqual(names([a]));
      expect(await readNames([])).toEqual([]);
    });

    it('refuses more than a request may ask for', async () => {
      const keys = Array.from({ length: LIMITS.readKeys + 1 }, () => a);
      await expect(bench.read(domain, keys)).rejects.toMatchObject({ code: 'too-large' });
      await bench.send(run, [blockOf(a), blockOf(b)]);
      await bench.db.database.write('settings.set', (tx) => tx.run('update chunks set chunk_length = 40000000'));
      await expect(bench.read(domain, [a, b])).rejects.toMatchObject({ code: 'too-large' });
    });
  });

  // Both cases of two domains: two users, and two clients of one user with DEDUP_SCOPE=client.
  describe('a neighbour in a block', () => {
    let stranger: RunGrant;
    beforeEach(async () => {
      stranger = await bench.newRun(await bench.newDomain());
      await bench.send(run, [blockOf(a, b, c)]);
      await bench.send(stranger, [blockOf(b)]);
    });

    it('does not get out: no byte, id or length, only the chunk that is owned', async () => {
      const { sent } = await bench.read(stranger.domainNo, [a, b, c]);
      expect(sent).toEqual(encodeBlock([b], { level: 1 }));
      for (const hidden of [a, c]) {
        expect(sent.includes(hidden.id)).toBe(false);
        expect(sent.includes(hidden.bytes.subarray(0, 16))).toBe(false);
      }
    });

    it('does not get out when he owns it elsewhere only', async () => {
      await bench.send(stranger, [blockOf(a, d)]);
      const { sent, chunks } = await bench.read(stranger.domainNo, [a, b, c, d]);
      expect([...chunks.keys()].sort()).toEqual(names([a, b, d]));
      expect(sent.includes(c.id)).toBe(false);
    });

    it('shows in no rank', async () => {
      expect([...(await ranks([a, b, c], stranger.domainNo))]).toEqual([NO_RANK, 0, NO_RANK]);
    });
  });

  // Of a snapshot after the first, some chunks of nearly every block are of older versions only.
  describe('a block that is mostly wanted', () => {
    const [p, q, r] = ['p', 'q', 'r'].map((seed) => {
      const bytes = Buffer.from(`${seed} shrinks `.repeat(200));
      return { id: dataChunkId(bytes), height: 0, bytes };
    }) as [PlainChunk, PlainChunk, PlainChunk];
    const whole = blockOf(p, q, r);
    const readAs = async (clientNo: number, keys: readonly ChunkKey[], from = domain, verifier: Verifier = 'asker') => {
      const sent: Buffer[] = [];
      for await (const block of bench.reader.readChunks({ domainNo: from, clientNo }, keys, verifier)) sent.push(block);
      return Buffer.concat(sent);
    };
    const change = (sql: string, values: readonly Value[] = []) =>
      bench.db.database.write('settings.set', (tx) => tx.run(sql, values));
    const cut = encodeBlock([p, r], { level: 1 });
    beforeEach(async () => {
      await bench.send(run, [whole]);
    });

    it('is sent as it is to the client that sent it and verifies it', async () => {
      expect(await readAs(run.clientNo, [p, r])).toEqual(whole);
    });

    it('is cut where less than half of it is wanted', async () => {
      expect(await readAs(run.clientNo, [p])).toEqual(encodeBlock([p], { level: 1 }));
    });

    it('is cut for those who leave the verifying to the server, and for other clients of the domain', async () => {
      expect(await readAs(run.clientNo, [p, r], domain, 'server')).toEqual(cut);
      expect(await readAs(run.clientNo + 1, [p, r])).toEqual(cut);
    });

    it('is cut where what was sent by several is written into one pack, or by a task that is gone', async () => {
      await change('update packs set task_no = 0');
      expect(await readAs(run.clientNo, [p, r])).toEqual(cut);
    });

    it.each([
      ['is not of the domain any more', 'delete from chunks where id = ?'],
      ['lies elsewhere by now', 'update chunks set block_offset = block_offset + 1 where id = ?'],
      ['is damaged', 'update chunks set damaged = 1 where id = ?'],
      ['is condemned, as a run was forgotten', 'update chunks set condemned_at = 1 where id = ?'],
    ])('is cut where the other chunk %s', async (_, sql) => {
      await change(sql, [q.id]);
      expect(await readAs(run.clientNo, [p, r])).toEqual(cut);
    });

    it('is cut for another domain, whose bytes these are as well', async () => {
      const stranger = await bench.newRun(await bench.newDomain());
      await bench.send(stranger, [blockOf(p, r)]);
      expect(await readAs(stranger.clientNo + 1, [p, r], stranger.domainNo)).toEqual(cut);
      // Even if he had sent it: he does not have all of it.
      expect(await readAs(stranger.clientNo, [p, r], stranger.domainNo)).toEqual(cut);
    });

    it('is verified first where there are several domains', async () => {
      await bench.newDomain();
      expect(await readAs(run.clientNo, [p, r])).toEqual(whole);
      const [key = ''] = await bench.storedKeys();
      const bytes = await bench.memory.get(key);
      // The last of its payload, before the pack's footer.
      const at = 16 + whole.length - 1;
      bytes[at] = bytes[at]! ^ 1;
      await bench.memory.put(key, { bytes });
      expect(await readAs(run.clientNo, [p, r])).toHaveLength(0);
    });

    it('is cut where it is longer than the answer may be', async () => {
      const tiny = Array.from({ length: 60 }, (_, at) => dataChunk(`tiny ${at}`, 20));
      await bench.send(run, [blockOf(d, ...tiny)]);
      // 60 x 37 bytes of its header are the tiny ones'.
      expect(await readAs(run.clientNo, [d])).toEqual(encodeBlock([d], { level: 1 }));
      const most = [d, ...tiny.slice(10)];
      expect((await readAs(run.clientNo, most)).equals(blockOf(d, ...tiny))).toBe(true);
    });
  });

  describe('bad bytes', () => {
    beforeEach(async () => {
      await bench.send(run, [blockOf(a, b), blockOf(c)]);
    });
    const flip = async (position: number) => {
      const [key = ''] = await bench.storedKeys();
      const bytes = await bench.memory.get(key);
      bytes[position] = bytes[position]! ^ 1;
      await bench.memory.put(key, { bytes });
    };

    // In the pack: 16 header, then the first block: 52 fixed, 2 x 37 rows, 4 CRC, payload.
    it.each([16, 30, 40, 70, 143, 147, 2_000])(
      'at %d of the pack leave the chunks of that block out, and mark them',
      async (position) => {
        await flip(position);
        expect(await readNames([a, c])).toEqual(names([c]));
        expect(await damagedIds()).toContain(hex([a])[0]);
        expect(await damagedIds()).not.toContain(hex([c])[0]);
        expect((await bench.ingest.missing(run, [a, c])).map(keyString)).toEqual([keyString(a)]);
        expect([...(await ranks([a, c]))]).toEqual([NO_RANK, 0]);
      },
    );

    it('mark the neighbours in the block too, also those of others', async () => {
      const other = await bench.newRun(await bench.newDomain());
      await bench.send(other, [blockOf(b)]);
      await flip(2_000);
      expect(await readNames([a])).toEqual([]);
      expect(await damagedIds()).toEqual(hex([a, b, b]));
    });

    it('leave as they are when whoever asks verifies, and are marked when he asks again for the server to do so', async () => {
      await flip(2_000);
      const sent: Buffer[] = [];
      for await (const block of bench.reader.readChunks({ domainNo: domain }, [a, b], 'asker')) sent.push(block);
      expect(sent).toHaveLength(1);
      expect(() => decodeBlock(sent[0]!, 'answer')).toThrow(CorruptError);
      expect(await damagedIds()).toEqual([]);
      expect(await readNames([a, b])).toEqual([]);
      expect(await damagedIds()).toEqual(hex([a, b]));
    });

    it('are found at once, whoever verifies, where they could be those of another domain', async () => {
      await bench.newDomain();
      await flip(2_000);
      for await (const block of bench.reader.readChunks({ domainNo: domain }, [a, b], 'asker'))
        expect(block).toBeUndefined();
      expect(await damagedIds()).toEqual(hex([a, b]));
    });

    it('are found at once, whoever verifies, where a chunk is cut out', async () => {
      await flip(2_000);
      for await (const block of bench.reader.readChunks({ domainNo: domain }, [a], 'asker'))
        expect(block).toBeUndefined();
      expect(await damagedIds()).toEqual(hex([a, b]));
    });

    it('are healed by the next upload', async () => {
      await flip(2_000);
      expect(await readNames([a, b, c])).toEqual(names([c]));
      await bench.send(run, [blockOf(a, b)]);
      expect(await damagedIds()).toEqual([]);
      expect(await readNames([a, b, c])).toEqual(names([a, b, c]));
    });

    it('of an unknown format are absent, but not given up', async () => {
      await flip(16 + 4);
      expect(await readNames([a, b, c])).toEqual(names([c]));
      expect(await damagedIds()).toEqual([]);
    });

    it('are told when the pack is shorter than it was, or gone', async () => {
      const [key = ''] = await bench.storedKeys();
      const bytes = await bench.memory.get(key);
      await bench.memory.put(key, { bytes: bytes.subarray(0, 5_000) });
      expect(await readNames([a, b, c])).toEqual(names([a, b]));
      expect(await damagedIds()).toEqual(hex([c]));
      await bench.memory.delete(key);
      expect(await readNames([a, b, c])).toEqual([]);
      expect(await damagedIds()).toEqual(hex([a, b, c]));
    });

    it('that are bad once only are read again', async () => {
      let reads = 0;
      const flaky = bench.with((memory) =>
        Object.assign(Object.create(memory) as Storage, {
          get: async (key: string, range: ByteRange) => {
            const bytes = await memory.get(key, range);
            reads += 1;
            if (reads === 1) bytes[150] = bytes[150]! ^ 1;
            return bytes;
          },
        }),
      );
      expect(await readNames([a, b], flaky)).toEqual(names([a, b]));
      expect(await damagedIds()).toEqual([]);
    });
  });

  it('takes "could not tell" for an error, never for absence', async () => {
    await bench.send(run, [blockOf(a)]);
    const away = bench.with(hooked(() => Promise.reject(new DomainError('storage-unavailable', 'not mounted'))));
    await expect(away.read(domain, [a])).rejects.toMatchObject({ code: 'storage-unavailable' });
    expect(await damagedIds()).toEqual([]);
  });

  it('looks again for chunks whose pack was rewritten between look-up and reading', async () => {
    await bench.send(run, [blockOf(a, b), blockOf(c)]);
    const rewrite = async (oldKey: string) => {
      const bytes = await bench.memory.get(oldKey);
      await bench.memory.put(packKey(77), { bytes });
      await bench.db.database.write('settings.set', async (tx) => {
        await tx.run("update packs set state = 'deleted'");
        await tx.run(
          "insert into packs (key, state, task_no, run_number, length, created_at, changed_at) values (?, 'live', 1, 1, ?, 0, 0)",
          [packKey(77), bytes.length],
        );
        await tx.run("update chunks set pack_no = (select no from packs where state = 'live')");
      });
      await bench.memory.delete(oldKey);
    };
    let reads = 0;
    const moving = bench.with(
      hooked(async (key) => {
        reads += 1;
        if (reads === 1) await rewrite(key);
      }),
    );
    expect(await readNames([a, b, c], moving)).toEqual(names([a, b, c]));
    expect(await damagedIds()).toEqual([]);
  });

  describe('ranks', () => {
    it('tell the storage order of what the domain has, dense, equal for equal chunks', async () => {
      await bench.send(run, [blockOf(a, b)]);
      await bench.send(run, [blockOf(c)]);
      expect([...(await ranks([c, d, b, a, c]))]).toEqual([2, NO_RANK, 1, 0, 2]);
      expect([...(await ranks([c, a]))]).toEqual([1, 0]);
      expect(await ranks([])).toHaveLength(0);
    });

    it('leave out what is damaged', async () => {
      await bench.send(run, [blockOf(a, b), blockOf(c)]);
      await bench.db.database.write('settings.set', (tx) =>
        tx.run('update chunks set damaged = 1 where id = ?', [b.id]),
      );
      expect([...(await ranks([c, b, a]))]).toEqual([1, NO_RANK, 0]);
    });

    it('take many keys in pieces of any length', async () => {
      const chunks = Array.from({ length: 50 }, (_, n) => dataChunk(`rank ${n}`, 50));
      await bench.send(run, [blockOf(...chunks)]);
      const keys = Array.from({ length: 20_000 }, (_, n) => chunks[n % 50]!);
      const result = await bench.reader.ranks(domain, inPieces(encodeKeys(keys), 100_003));
      expect([...result]).toEqual(keys.map((_, n) => n % 50));
    });

    it('are refused for a key that is cut short, or beyond the limit', async () => {
      await expect(bench.reader.ranks(domain, inPieces(encodeKeys([a]).subarray(0, 30)))).rejects.toMatchObject({
        code: 'invalid',
      });
      const tooMany = Buffer.alloc(33 * (LIMITS.rankKeys + 1));
      await expect(bench.reader.ranks(domain, inPieces(tooMany, tooMany.length))).rejects.toMatchObject({
        code: 'too-large',
      });
    });
  });
});
