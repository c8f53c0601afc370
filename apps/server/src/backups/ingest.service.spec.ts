import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { LIMITS } from '#common';
import { type ChunkKey, decodeKeys, decodeList, encodeBlock, keyString, type PlainChunk, verifyPack } from '#engine';
import { eachDatabase } from '../database/testing';
import { DomainError } from '../http/domain-error';
import type { MemoryStorage } from '../storage/memory.storage';
import type { Storage, StorageBody } from '../storage/storage';
import { blockOf, blocksOf, dataChunk, IngestBench, inPieces, listsOver, sized } from './ingest.testing';
import type { RunGrant } from './run-grant';

/** A storage whose puts first call `before`. */
const hooked = (before: (key: string) => Promise<void>) => (memory: MemoryStorage) =>
  Object.assign(Object.create(memory) as Storage, {
    put: async (key: string, body: StorageBody) => {
      await before(key);
      await memory.put(key, body);
    },
  });

/** Resolves for all when `count` have come; later ones pass. */
function barrier(count: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let waiting = 0;
  return async () => {
    waiting += 1;
    if (waiting === count) resolve(undefined);
    await promise;
  };
}

eachDatabase('IngestService', (open, dialect) => {
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
  const states = async () => (await bench.packStates()).map(({ state }) => state);
  const rowCount = async (table: string) =>
    (await bench.db.database.read((sql) => sql.get<{ n: number }>(`select count(*) as n from ${table}`)))?.n;
  const execute = (sql: string, params: (string | number | Buffer)[] = []) =>
    bench.db.database.write('settings.set', (tx) => tx.run(sql, params));
  const expectNothingStored = async () => {
    expect(await rowCount('chunks')).toBe(0);
    expect(await rowCount('packs')).toBe(0);
    expect(await bench.storedKeys()).toEqual([]);
    expect(bench.spooledFiles()).toEqual([]);
  };

  describe('an upload', () => {
    it('becomes a sound pack with rows that point into it, and leaves no spool file', async () => {
      const blocks = [blockOf(a, b), blockOf(c)];
      const answer = await bench.send(run, blocks);
      expect(answer).toEqual({ chunks: 3, newChunks: 3, storedBytes: Buffer.concat(blocks).length });
      const [key = ''] = await bench.storedKeys();
      expect(key).toMatch(/^packs\/([0-9a-f]{2})\/\1[0-9a-f-]{34}$/);
      const { length } = (await bench.memory.stat(key))!;
      const packed = await verifyPack((offset, n) => bench.memory.get(key, { offset, length: n }), length, key);
      expect(packed.flatMap(({ chunks }) => chunks.map((chunk) => chunk.id))).toEqual([a.id, b.id, c.id]);
      expect(await states()).toEqual(['live']);
      const found = await bench.find(domain, [a, b, c]);
      expect(found.get(keyString(b))).toMatchObject({ size: 2_000, chunkOffset: 2_000, chunkLength: 2_000 });
      expect((await bench.read(domain, [a, b, c])).chunks.get(keyString(c))).toEqual(c.bytes);
      expect(bench.spooledFiles()).toEqual([]);
    });

    it('counts what it brought, on the run, as often as it brought it', async () => {
      const blocks = [blockOf(a, b)];
      await bench.send(run, blocks);
      await bench.send(run, blocks);
      const counts = await bench.db.database.read((sql) =>
        sql.get('select new_chunks, new_bytes, stored_bytes from runs where task_no = ?', [run.taskNo]),
      );
      expect(counts).toEqual({ new_chunks: 2, new_bytes: 4_000, stored_bytes: blocks[0]?.length });
    });

    it('of nothing stores nothing', async () => {
      expect(await bench.send(run, [])).toEqual({ chunks: 0, newChunks: 0, storedBytes: 0 });
      await expectNothingStored();
    });

    it('stores a chunk once that it holds several times', async () => {
      const answer = await bench.send(run, [blockOf(a), blockOf(a), blockOf(b, a, b), blockOf(b)]);
      expect(answer).toMatchObject({ chunks: 2, newChunks: 2 });
      const [key = ''] = await bench.storedKeys();
      const { length } = (await bench.memory.stat(key))!;
      const packed = await verifyPack((offset, n) => bench.memory.get(key, { offset, length: n }), length, key);
      expect(packed).toHaveLength(2);
      expect((await bench.read(domain, [a, b])).chunks.size).toBe(2);
    });

    it('skips blocks that the domain has, and packs the rest', async () => {
      await bench.send(run, [blockOf(a), blockOf(b)]);
      const answer = await bench.send(run, [blockOf(a), blockOf(c), blockOf(b, d)]);
      expect(answer).toMatchObject({ chunks: 4, newChunks: 2 });
      expect(await states()).toEqual(['live', 'live']);
      const { chunks } = await bench.read(domain, [a, b, c, d]);
      expect([...chunks.keys()].sort()).toEqual([a, b, c, d].map(keyString).sort());
    });

    it('takes only as much in as it has verified and written', async () => {
      const blocks = Array.from({ length: 40 }, (_, n) => blockOf(dataChunk(`big ${n}`, 200_000)));
      let yielded = 0;
      const body = async function* () {
        for (const block of blocks) {
          const [file = ''] = bench.spooledFiles();
          const { size } = await stat(join(bench.memory.spoolDir, file));
          expect(size).toBeGreaterThan(yielded - 2 * block.length);
          yielded += block.length;
          yield block;
        }
      };
      expect(await bench.ingest.receivePack(run, body())).toMatchObject({ newChunks: 40 });
    });

    it('renews the lease of its run while one block comes, piece by piece over a thin line', async () => {
      const isLeaseOver = async () =>
        (await bench.db.database.read((sql) =>
          sql.get<{ lease_until: number }>('select lease_until from runs where task_no = ?', [run.taskNo]),
        ))!.lease_until < bench.db.clock.now();
      const checks: boolean[] = [];
      const body = async function* () {
        for await (const piece of inPieces(blockOf(a), 500)) {
          yield piece;
          bench.db.clock.advance(200_000);
          checks.push(await isLeaseOver());
        }
      };
      await bench.ingest.receivePack(run, body());
      expect(checks.length).toBeGreaterThan(3);
      expect(checks).not.toContain(true);
    });

    it('renews the lease of its run, however slowly it comes', async () => {
      const lease = async () =>
        (await bench.db.database.read((sql) =>
          sql.get<{ lease_until: number }>('select lease_until from runs where task_no = ?', [run.taskNo]),
        ))!.lease_until;
      const leases: number[] = [];
      const body = async function* () {
        for (const chunk of [a, b, c]) {
          yield blockOf(chunk);
          bench.db.clock.advance(200_000);
          leases.push(await lease());
        }
      };
      await bench.ingest.receivePack(run, body());
      expect(leases[2]).toBeGreaterThan(leases[0]!);
      expect(await lease()).toBe(bench.db.clock.now() + 300_000);
    });
  });

  describe('what is not what it says', () => {
    it.each([1, 40, 60, 2_050])('is refused when it is cut by %d bytes', async (cut) => {
      const bytes = Buffer.concat([blockOf(a), blockOf(b)]);
      const body = inPieces(bytes.subarray(0, bytes.length - cut));
      await expect(bench.ingest.receivePack(run, body)).rejects.toMatchObject({ code: 'invalid' });
      await expectNothingStored();
    });

    it('is refused when the connection breaks', async () => {
      const body = async function* () {
        yield blockOf(a);
        throw new Error('aborted');
      };
      await expect(bench.ingest.receivePack(run, body())).rejects.toThrow('aborted');
      await expectNothingStored();
    });

    it('is refused whichever byte is flipped', async () => {
      const small = dataChunk('small', 60);
      const bytes = Buffer.concat([blockOf(small), blockOf(dataChunk('small 2', 40))]);
      for (let position = 0; position < bytes.length; position += 3) {
        const flipped = Buffer.from(bytes);
        flipped[position] = flipped[position]! ^ 0x10;
        await expect(bench.send(run, [flipped])).rejects.toBeInstanceOf(DomainError);
      }
      await expectNothingStored();
    });

    it.each([
      ['chunk count', 8],
      ['plain length', 12],
      ['payload length', 16],
    ])('is refused before it is read when its header claims an absurd %s', async (_, position) => {
      const block = blockOf(a);
      block.writeUInt32LE(0xfffffff0, position);
      const body = async function* () {
        yield block.subarray(0, 52);
        throw new Error('more was read');
      };
      await expect(bench.ingest.receivePack(run, body())).rejects.toMatchObject({ code: 'invalid' });
      await expectNothingStored();
    });

    it('is refused when a chunk has the id of another', async () => {
      const lie = encodeBlock([{ ...a, bytes: b.bytes }], { level: 0 });
      await expect(bench.send(run, [blockOf(c), lie])).rejects.toMatchObject({ code: 'invalid' });
      await expectNothingStored();
    });

    it('is refused as too large beyond the limit, without being read to its end', async () => {
      const block = blockOf(dataChunk('one mebibyte', 1024 * 1024));
      let blocks = 0;
      const body = async function* () {
        for (; blocks < 200; blocks += 1) yield block;
      };
      await expect(bench.ingest.receivePack(run, body())).rejects.toMatchObject({ code: 'too-large' });
      expect(blocks * block.length).toBeLessThan(LIMITS.packBodyBytes + 3 * block.length);
      await expectNothingStored();
    });

    it('is refused as too large when it has too many chunks', async () => {
      const tiny = Array.from({ length: LIMITS.packChunks + 1 }, (_, n) => dataChunk(`tiny ${n}`, 3));
      await expect(bench.send(run, blocksOf(tiny))).rejects.toMatchObject({ code: 'too-large' });
      await expectNothingStored();
    });
  });

  describe('lists', () => {
    const children = Array.from({ length: 40 }, (_, n) => dataChunk(`child ${n}`, 1_000 + n));
    const lists = listsOver(sized(children));
    const top = lists[lists.length - 1]!;

    it('are accepted after their children, in the same upload or an earlier one', async () => {
      await bench.send(run, blocksOf(children.slice(0, 20)));
      await bench.send(run, [...blocksOf(children.slice(20)), ...blocksOf(lists)]);
      const size = children.reduce((sum, { bytes }) => sum + bytes.length, 0);
      expect((await bench.find(domain, [top])).get(keyString(top))).toMatchObject({ size, height: top.height });
      const named = lists.reduce((sum, { bytes, height }) => sum + decodeList(bytes, height, 'list').length, 0);
      expect(await rowCount('list_refs')).toBe(named);
      await bench.send(run, blocksOf(lists));
      expect(await rowCount('list_refs')).toBe(named);
    });

    it('are refused before their children', async () => {
      await expect(bench.send(run, [...blocksOf(lists), ...blocksOf(children)])).rejects.toMatchObject({
        code: 'missing-chunks',
      });
      await expectNothingStored();
    });

    it("are refused when they name another domain's chunks, in the words for chunks that nobody has", async () => {
      const stranger = await bench.newRun(await bench.newDomain());
      const missing = await bench.send(stranger, blocksOf(lists)).catch((error: unknown) => error);
      await bench.send(run, [...blocksOf(children), ...blocksOf(lists)]);
      const foreign = await bench.send(stranger, blocksOf(lists)).catch((error: unknown) => error);
      expect(foreign).toMatchObject({ code: 'missing-chunks', message: (missing as Error).message });
      const { keysBase64 } = (foreign as DomainError).details as { keysBase64: string };
      expect(keysBase64).toBe((missing as DomainError).details?.keysBase64);
      const named = decodeKeys(Buffer.from(keysBase64, 'base64'), 1_000);
      expect(named.every((key) => key.height === 0)).toBe(true);
      expect((await bench.find(stranger.domainNo, lists)).size).toBe(0);
      expect((await bench.read(stranger.domainNo, [...children, ...lists])).sent).toHaveLength(0);
    });

    it.each(['in the same upload', 'in an earlier upload'])(
      'are refused when a size is not that of the child %s',
      async (when) => {
        const lie = listsOver(sized(children).map(({ id, size }, n) => ({ id, size: n === 7 ? size + 1 : size })));
        if (when === 'in an earlier upload') await bench.send(run, blocksOf(children));
        const before = when === 'in an earlier upload' ? [] : blocksOf(children);
        await expect(bench.send(run, [...before, ...blocksOf(lie)])).rejects.toMatchObject({ code: 'invalid' });
        expect((await bench.find(domain, lie)).size).toBe(0);
      },
    );

    it('are refused when a child is damaged: it has to come first', async () => {
      await bench.send(run, blocksOf(children));
      await execute('update chunks set damaged = 1 where id = ?', [children[3]!.id]);
      await expect(bench.send(run, blocksOf(lists))).rejects.toMatchObject({ code: 'missing-chunks' });
      await bench.send(run, [...blocksOf([children[3]!]), ...blocksOf(lists)]);
      expect(await bench.ingest.missing(run, [top])).toEqual([]);
    });

    it('are refused when a child was swept while they came', async () => {
      await bench.send(run, blocksOf(children));
      const sweeping = bench.with(
        hooked(async () => {
          await execute('delete from chunks where id = ?', [children[3]!.id]);
        }),
      );
      await expect(sweeping.send(run, blocksOf(lists))).rejects.toMatchObject({ code: 'missing-chunks' });
      expect((await bench.find(domain, lists)).size).toBe(0);
      expect(await states()).toEqual(['live', 'dead']);
    });

    it('revive their children', async () => {
      await bench.send(run, blocksOf(children));
      await execute('update chunks set condemned_at = 1');
      await bench.send(run, blocksOf(lists));
      expect(
        await bench.db.database.read((sql) => sql.all('select no from chunks where condemned_at is not null')),
      ).toEqual([]);
    });
  });

  describe('two at once', () => {
    it('sending the same pack store it once', async () => {
      const both = bench.with(hooked(barrier(2)));
      const blocks = [blockOf(a, b), blockOf(c)];
      const answers = await Promise.all([both.send(run, blocks), both.send(run, blocks)]);
      expect(answers.map(({ newChunks }) => newChunks).sort()).toEqual([0, 3]);
      expect((await states()).sort()).toEqual(['dead', 'live']);
      expect(await rowCount('chunks')).toBe(3);
      expect((await bench.read(domain, [a, b, c])).chunks.size).toBe(3);
    });

    it('sending the same ids in opposite order neither deadlock nor store twice', async () => {
      const chunks = Array.from({ length: 300 }, (_, n) => dataChunk(`order ${n}`, 100));
      const other = await bench.newRun(domain);
      const both = bench.with(hooked(barrier(2)));
      const [first, second] = await Promise.all([
        both.send(
          run,
          chunks.map((chunk) => blockOf(chunk)),
        ),
        both.send(
          other,
          [...chunks].reverse().map((chunk) => blockOf(chunk)),
        ),
      ]);
      expect(first.newChunks + second.newChunks).toBe(300);
      expect(await rowCount('chunks')).toBe(300);
      expect((await states()).filter((state) => state === 'live')).toHaveLength(1);
      expect((await bench.read(domain, chunks)).chunks.size).toBe(300);
    });

    it('that overlap in part both succeed, and everything can be read', async () => {
      const chunks = Array.from({ length: 60 }, (_, n) => dataChunk(`overlap ${n}`, 100));
      const runs = [run, await bench.newRun(domain), await bench.newRun(await bench.newDomain())];
      const parts = [chunks.slice(0, 40), chunks.slice(20).reverse(), chunks.slice(10, 50)];
      const all = bench.with(hooked(barrier(3)));
      await Promise.all(
        runs.map((each, n) =>
          all.send(
            each,
            parts[n]!.map((chunk) => blockOf(chunk)),
          ),
        ),
      );
      for (const [n, each] of runs.entries()) {
        expect((await bench.read(each.domainNo, parts[n]!)).chunks.size).toBe(parts[n]!.length);
      }
    });
  });

  describe('two users', () => {
    let other: RunGrant;
    beforeEach(async () => {
      other = await bench.newRun(await bench.newDomain());
    });

    it('who upload the same bytes store them once, and are told the same', async () => {
      const blocks = [blockOf(a, b), blockOf(c)];
      const first = await bench.send(run, blocks);
      expect(await bench.send(other, blocks)).toEqual(first);
      expect(await bench.storedKeys()).toHaveLength(1);
      expect(await states()).toEqual(['live']);
      expect((await bench.read(other.domainNo, [a, b, c])).chunks.size).toBe(3);
    });

    it('of whom one stored the same while the pack of the other went to storage keep one pack alive', async () => {
      const late = bench.with(
        hooked(async () => {
          await bench.send(run, [blockOf(a), blockOf(b)]);
        }),
      );
      expect(await late.send(other, [blockOf(a), blockOf(b)])).toMatchObject({ newChunks: 2 });
      expect(await states()).toEqual(['dead', 'live']);
      expect((await bench.read(other.domainNo, [a, b])).chunks.size).toBe(2);
    });

    // Registered for PostgreSQL only: on SQLite no other writer can be at work.
    const onPostgres = dialect === 'postgres' ? it : () => undefined;
    onPostgres('share no pack that is dying just now (postgres: rows can be locked)', async () => {
      await bench.send(run, [blockOf(a)]);
      const reclaim = new Client({ connectionString: bench.db.location.databaseUrl! });
      await reclaim.connect();
      try {
        // As reclaim does it: hold the row, look for references in a second statement, then change the state.
        await reclaim.query('begin');
        await reclaim.query('select no from packs for update');
        const sent = bench.send(other, [blockOf(a)]);
        const waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while ((await reclaim.query(waits)).rows.length === 0) await new Promise(setImmediate);
        await reclaim.query("update packs set state = 'dead'");
        await reclaim.query('commit');
        await sent;
      } finally {
        await reclaim.end();
      }
      expect(await states()).toEqual(['dead', 'live']);
      const packs = await bench.db.database.read((sql) =>
        sql.all<{ no: number }>("select no from packs where state = 'live'"),
      );
      expect((await bench.find(other.domainNo, [a])).get(keyString(a))?.packNo).toBe(packs[0]?.no);
    });

    it('store again what the one has only damaged', async () => {
      await bench.send(run, [blockOf(a)]);
      await execute('update chunks set damaged = 1');
      await bench.send(other, [blockOf(a)]);
      expect(await states()).toEqual(['live', 'live']);
      expect((await bench.read(other.domainNo, [a])).chunks.size).toBe(1);
    });

    it('who only names a hash gets nothing, and is not told that it exists', async () => {
      await bench.send(run, [blockOf(a)]);
      expect((await bench.ingest.missing(other, [a, b])).map(keyString)).toEqual([a, b].map(keyString));
      expect((await bench.read(other.domainNo, [a])).sent).toHaveLength(0);
    });

    it('share no pack that died meanwhile', async () => {
      await bench.send(run, [blockOf(a)]);
      let hits = 0;
      const dying = bench.with(
        hooked(async () => {
          hits += 1;
          if (hits === 1) await execute("update packs set state = 'dead' where state = 'live'");
        }),
      );
      await dying.send(other, [blockOf(a), blockOf(b)]);
      const found = await bench.find(other.domainNo, [a, b]);
      const live = await bench.db.database.read((sql) =>
        sql.all<{ no: number }>("select no from packs where state = 'live'"),
      );
      expect(live).toHaveLength(1);
      expect([...found.values()].map(({ packNo }) => packNo)).toEqual([live[0]!.no, live[0]!.no]);
      expect(await states()).toEqual(['dead', 'dead', 'live']);
    });
  });

  describe('when something fails', () => {
    it('keeps the intent row of a pack that could not be put, acknowledges nothing, and takes it again', async () => {
      const full = bench.with(hooked(() => Promise.reject(new DomainError('storage-unavailable', 'full'))));
      await expect(full.send(run, [blockOf(a)])).rejects.toMatchObject({ code: 'storage-unavailable' });
      expect(await states()).toEqual(['uploading']);
      expect(await rowCount('chunks')).toBe(0);
      expect(bench.spooledFiles()).toEqual([]);
      expect((await bench.ingest.missing(run, [a])).map(keyString)).toEqual([keyString(a)]);
      await bench.send(run, [blockOf(a)]);
      expect(await states()).toEqual(['uploading', 'live']);
    });

    it('writes the intent before the bytes', async () => {
      const seen: string[][] = [];
      const watched = bench.with(
        hooked(async () => {
          seen.push(await states());
        }),
      );
      await watched.send(run, [blockOf(a)]);
      expect(seen).toEqual([['uploading']]);
    });

    it('takes nothing for a run that is over, before or while it comes', async () => {
      const ending = bench.with(
        hooked(async () => {
          await execute("update runs set state = 'undoing' where task_no = ?", [run.taskNo]);
        }),
      );
      await expect(ending.send(run, [blockOf(a)])).rejects.toMatchObject({ code: 'run-over' });
      expect(await rowCount('chunks')).toBe(0);
      expect(await states()).toEqual(['dead']);
      await expect(bench.send(run, [blockOf(a)])).rejects.toMatchObject({ code: 'run-over' });
      expect(await states()).toEqual(['dead']);
      await expect(bench.ingest.missing(run, [a])).rejects.toMatchObject({ code: 'run-over' });
    });

    it('takes nothing under another token', async () => {
      const forged = { ...run, tokenHash: Buffer.alloc(32, 7) };
      await expect(bench.send(forged, [blockOf(a)])).rejects.toMatchObject({ code: 'run-over' });
      await expectNothingStored();
    });

    it('takes nothing into a pack that was given up meanwhile', async () => {
      const late = bench.with(
        hooked(async () => {
          await execute("update packs set state = 'dead'");
        }),
      );
      await expect(late.send(run, [blockOf(a)])).rejects.toMatchObject({ code: 'unavailable' });
      expect(await rowCount('chunks')).toBe(0);
    });

    it('plans again when a chunk that it relied on was damaged or swept meanwhile', async () => {
      await bench.send(run, [blockOf(a), blockOf(b)]);
      let hits = 0;
      const moving = bench.with(
        hooked(async () => {
          hits += 1;
          if (hits > 1) return;
          await execute('update chunks set damaged = 1 where id = ?', [a.id]);
          await execute('delete from chunks where id = ?', [b.id]);
        }),
      );
      await moving.send(run, [blockOf(a), blockOf(b), blockOf(c)]);
      expect((await bench.read(domain, [a, b, c])).chunks.size).toBe(3);
      expect(await bench.ingest.missing(run, [a, b, c])).toEqual([]);
      expect(await states()).toEqual(['live', 'dead', 'live']);
    });
  });

  describe('missing', () => {
    it('names what is absent and what is damaged, and revives the rest', async () => {
      await bench.send(run, [blockOf(a, b), blockOf(c)]);
      await execute('update chunks set damaged = 1 where id = ?', [b.id]);
      await execute('update chunks set condemned_at = 5 where id = ?', [c.id]);
      const asked: ChunkKey[] = [a, b, c, d, { id: a.id, height: 1 }];
      const missing = await bench.ingest.missing(run, asked);
      expect(missing.map(keyString).sort()).toEqual([b, d, { id: a.id, height: 1 }].map(keyString).sort());
      expect((await bench.find(domain, [c])).get(keyString(c))).toMatchObject({ condemnedAt: null });
    });

    it('is healed by an upload', async () => {
      await bench.send(run, [blockOf(a, b)]);
      await execute('update chunks set damaged = 1 where id = ?', [b.id]);
      const answer = await bench.send(run, [blockOf(b)]);
      expect(answer).toEqual({ chunks: 1, newChunks: 0, storedBytes: 0 });
      expect(await bench.ingest.missing(run, [a, b])).toEqual([]);
      expect(await states()).toEqual(['live', 'live']);
      expect((await bench.read(domain, [a, b])).chunks.size).toBe(2);
    });

    it('refuses more keys than a request may have', async () => {
      const keys = Array.from({ length: LIMITS.missingKeys + 1 }, () => a);
      await expect(bench.ingest.missing(run, keys)).rejects.toMatchObject({ code: 'too-large' });
    });
  });
});
