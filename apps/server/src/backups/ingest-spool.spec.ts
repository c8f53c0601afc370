import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockVerdict } from './block-check';
import { BlockChecks } from './block-checks';
import { IngestSpool } from './ingest-spool';
import { blockOf, dataChunk, inPieces } from './ingest.testing';

/** Checks that are answered when a test says so. */
class HeldChecks extends BlockChecks {
  readonly held: PromiseWithResolvers<BlockVerdict>[] = [];

  override check(): Promise<BlockVerdict> {
    const verdict = Promise.withResolvers<BlockVerdict>();
    this.held.push(verdict);
    return verdict.promise;
  }

  async began(count: number): Promise<void> {
    while (this.held.length < count) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('IngestSpool', () => {
  let folder: string;
  let checks: HeldChecks;
  let spool: IngestSpool;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-spool-'));
    checks = new HeldChecks();
    spool = await IngestSpool.create(folder, checks);
  });
  afterEach(async () => {
    await spool.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const blocks = Array.from({ length: 6 }, (_, at) => blockOf(dataChunk(`${at}`)));
  const receive = () =>
    spool.receive(inPieces(Buffer.concat(blocks), 700), {
      assertOwned: () => Promise.resolve(),
      onMemory: () => undefined,
      onProgress: () => Promise.resolve(),
    });
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };

  it('takes an upload when each of its blocks was found to be what it says', async () => {
    const received = receive();
    for (let at = 0; at < blocks.length; at += 1) {
      await checks.began(at + 1);
      checks.held[at]?.resolve({ lists: null });
    }
    expect((await received).blocks).toHaveLength(blocks.length);
  });

  it('reads no further than the block after the one that is being checked', async () => {
    const received = receive();
    await checks.began(2);
    await turns(50);
    expect(checks.held).toHaveLength(2);
    checks.held[0]?.resolve({ lists: null });
    await checks.began(3);
    await turns(50);
    expect(checks.held).toHaveLength(3);
    checks.held[1]?.resolve({ refused: 'corrupt' });
    checks.held[2]?.resolve({ lists: null });
    await expect(received).rejects.toMatchObject({ code: 'invalid' });
  });

  it('is refused for one block, and only when nobody writes into it any more', async () => {
    const received = receive();
    let isOver = false;
    received.catch(() => undefined).finally(() => (isOver = true));
    await checks.began(2);
    checks.held[0]?.resolve({ refused: 'corrupt: what was expected' });
    await turns(50);
    expect(isOver).toBe(false);
    checks.held[1]?.resolve({ lists: null });
    await expect(received).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('nothing was stored: corrupt: what was expected') as string,
    });
    await spool.remove();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['ENOSPC', 'storage-full'],
    ['EDQUOT', 'storage-full'],
    ['EIO', 'storage-unavailable'],
  ])('says what %s on the disk means: %s', async (errno, code) => {
    const received = receive();
    await checks.began(1);
    checks.held[0]?.resolve({ failed: { code: errno, message: errno } });
    await checks.began(2);
    checks.held[1]?.resolve({ lists: null });
    await expect(received).rejects.toMatchObject({ code });
  });
});
