import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockCheck } from './block-check';
import { BlockChecks } from './block-checks';
import { blockOf, dataChunk, listsOver, sized } from './ingest.testing';

/** Where the build puts the thread: tests run from sources, which have none. */
class BuiltChecks extends BlockChecks {
  protected override readonly threadFile = join(process.cwd(), 'dist/apps/server/src/backups/block-check-thread.js');

  get file(): string {
    return this.threadFile;
  }
}

it('are tested in threads where the build has put the thread (npm run build)', () => {
  expect(existsSync(new BuiltChecks().file)).toBe(true);
});

describe.each<[string, () => BlockChecks]>([
  ['in the thread of the caller', () => new BlockChecks()],
  ['in threads of its own', () => new BuiltChecks()],
])('BlockChecks, %s', (_, open) => {
  let folder: string;
  let path: string;
  let checks: BlockChecks;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-checks-'));
    path = join(folder, 'upload');
    writeFileSync(path, 'sixteen bytes...');
    checks = open();
  });
  afterEach(async () => {
    await checks.onApplicationShutdown();
    rmSync(folder, { recursive: true, force: true });
  });

  const checkOf = (block: Buffer, more: Partial<BlockCheck> = {}): BlockCheck => ({
    block: new Uint8Array(block).buffer,
    place: 'the block',
    path,
    position: 16,
    ...more,
  });

  it('writes a block that is what it says where it belongs, and takes its memory', async () => {
    const block = blockOf(dataChunk('a'), dataChunk('b'));
    const check = checkOf(block);
    expect(await checks.check(check)).toEqual({ lists: null });
    expect(readFileSync(path)).toEqual(Buffer.concat([Buffer.from('sixteen bytes...'), block]));
    expect(check.block.byteLength).toBe(0);
  });

  it('hands out the bytes of lists', async () => {
    const lists = listsOver(sized(Array.from({ length: 40 }, (_, at) => dataChunk(`${at}`))));
    const verdict = await checks.check(checkOf(blockOf(...lists)));
    expect(verdict).toHaveProperty('lists');
    const bytes = 'lists' in verdict && verdict.lists !== null ? Buffer.from(verdict.lists) : null;
    expect(bytes).toEqual(Buffer.concat(lists.map((list) => list.bytes)));
  });

  it.each([
    ['header', 60],
    ['payload', -1],
  ])('refuses a block with a flipped bit in its %s, and writes nothing', async (_part, at) => {
    const block = blockOf(dataChunk('a'));
    const index = at < 0 ? block.length + at : at;
    block[index] = (block[index] ?? 0) ^ 1;
    expect(await checks.check(checkOf(block))).toEqual({ refused: expect.stringContaining('the block') as string });
    expect(readFileSync(path, 'latin1')).toBe('sixteen bytes...');
  });

  it('tells with its code when the disk fails', async () => {
    const verdict = await checks.check(checkOf(blockOf(dataChunk('a')), { path: join(folder, 'nowhere', 'upload') }));
    expect(verdict).toMatchObject({ failed: { code: 'ENOENT' } });
  });

  it('answers many at once, each with its own', async () => {
    const blocks = Array.from({ length: 12 }, (_, at) => blockOf(dataChunk(`${at}`)));
    const damaged = new Set([3, 7]);
    for (const at of damaged) blocks[at]!.fill(0xff, blocks[at]!.length - 4);
    const paths = blocks.map((_, at) => join(folder, `${at}`));
    for (const each of paths) writeFileSync(each, '');
    const verdicts = await Promise.all(
      blocks.map((block, at) => checks.check(checkOf(block, { path: paths[at]!, position: 0 }))),
    );
    for (const [at, verdict] of verdicts.entries()) {
      expect('refused' in verdict).toBe(damaged.has(at));
      expect(readFileSync(paths[at]!)).toEqual(damaged.has(at) ? Buffer.alloc(0) : blocks[at]);
    }
  });

  it('checks no more once the server stops', async () => {
    await checks.onApplicationShutdown();
    await expect(checks.check(checkOf(blockOf(dataChunk('a'))))).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('A thread of BlockChecks that fails', () => {
  it('takes what it had along as errors; the next block gets another', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-checks-'));
    const failed = join(folder, 'failed');
    const file = join(folder, 'thread.js');
    writeFileSync(
      file,
      `const { existsSync, writeFileSync } = require('node:fs');
       const { parentPort } = require('node:worker_threads');
       parentPort.on('message', () => {
         if (existsSync(${JSON.stringify(failed)})) return parentPort.postMessage({ lists: null });
         writeFileSync(${JSON.stringify(failed)}, '');
         throw new Error('nobody thought of this');
       });`,
    );
    class FailingChecks extends BlockChecks {
      protected override readonly threadFile = file;
    }
    const checks = new FailingChecks();
    const check = (): Promise<unknown> =>
      checks.check({ block: new ArrayBuffer(8), place: 'the block', path: join(folder, 'upload'), position: 0 });
    try {
      await expect(check()).rejects.toMatchObject({
        code: 'unavailable',
        cause: expect.objectContaining({ message: 'nobody thought of this' }) as unknown,
      });
      expect(await check()).toEqual({ lists: null });
    } finally {
      await checks.onApplicationShutdown();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
