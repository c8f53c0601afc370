import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeChange } from '#engine';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { CatalogReadRepository } from './catalog-read.repository';
import { ManifestDrafts } from './manifest-drafts';
import { close, directory, file, type TestAgent, TestServer, WatchedStorage } from './runs.testing';

eachDatabase('The draft of a first manifest', (open) => {
  let test: TestDatabase;
  let storage: WatchedStorage;
  let server: TestServer;
  let agent: TestAgent;
  let removeSpool: () => void;
  let scan: jest.SpyInstance;
  beforeEach(async () => {
    test = await open();
    const made = WatchedStorage.make();
    ({ storage } = made);
    removeSpool = made.remove;
    server = new TestServer(test.database, storage);
    agent = await server.agent();
    scan = jest.spyOn(CatalogReadRepository.prototype, 'nextRange');
  });
  afterEach(async () => {
    await server.undos.idle();
    scan.mockRestore();
    removeSpool();
  });

  const WRITTEN = ['/ dir', '/a 644', '/d dir', '/d/b 644', '/d/c 600'];
  const drafts = (): string[] => readdirSync(storage.spoolDir).filter((name) => name.startsWith('manifest-draft-'));
  const draft = (): string => join(storage.spoolDir, drafts()[0]!);
  const manifest = async (): Promise<string[]> => (await server.manifest(agent, agent.run)).changes;

  /** The draft is written while the next batch comes. */
  async function written(frames: number): Promise<void> {
    while (frameStarts(readFileSync(draft())).length < frames) await new Promise((resolve) => setImmediate(resolve));
  }

  async function send(): Promise<void> {
    await agent.start();
    await agent.send(directory('/'), file('/a'));
    await agent.send(directory('/d'));
    await agent.send(file('/d/b'), file('/d/c', 0o600));
  }

  it('saves the commit reading the task, says what the catalog says, and goes with the run', async () => {
    await send();
    expect(drafts()).toHaveLength(1);
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
    expect(scan).not.toHaveBeenCalled();
    expect(drafts()).toEqual([]);
  });

  it('takes a batch that came twice once', async () => {
    await send();
    await agent.repeat();
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
    expect(scan).not.toHaveBeenCalled();
  });

  it('goes with a run that is aborted', async () => {
    await send();
    await agent.abort();
    await server.undos.idle();
    expect(drafts()).toEqual([]);
    await send();
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
  });

  it('is not made of a later run', async () => {
    await send();
    await agent.commit();
    await agent.start();
    await agent.send(file('/new'));
    expect(server.drafts.find(agent.run.runId)).toBeNull();
    await agent.commit();
    await expect(manifest()).resolves.toEqual(['/new 644']);
  });

  it('is given up when a batch did not write all that it brought', async () => {
    await send();
    await agent.send(file('/a'), file('/e'));
    expect(drafts()).toEqual([]);
    await agent.send(file('/f'), close('/nowhere'));
    await agent.commit();
    await expect(manifest()).resolves.toEqual([...WRITTEN, '/e 644', '/f 644']);
    expect(scan).toHaveBeenCalled();
  });

  it('is of no account when another server took a batch', async () => {
    const other = new TestServer(test.database, storage);
    await send();
    agent.use(other);
    await agent.send(file('/e'));
    agent.use(server);
    await agent.commit();
    await expect(manifest()).resolves.toEqual([...WRITTEN, '/e 644']);
    expect(scan).toHaveBeenCalled();
  });

  it('is of no account when another server took the first batch', async () => {
    const other = new TestServer(test.database, storage);
    await agent.start();
    agent.use(other);
    await agent.send(directory('/'), file('/a'));
    agent.use(server);
    await agent.send(file('/e'));
    await agent.commit();
    await expect(manifest()).resolves.toEqual(['/ dir', '/a 644', '/e 644']);
  });

  it.each<[string, () => void]>([
    [
      'is gone',
      () => {
        rmSync(draft());
      },
    ],
    [
      'is empty',
      () => {
        truncateSync(draft());
      },
    ],
    [
      'lacks its last frame',
      () => {
        truncateSync(draft(), frameStarts(readFileSync(draft())).at(-1));
      },
    ],
    [
      'is cut within a frame',
      () => {
        truncateSync(draft(), readFileSync(draft()).length - 1);
      },
    ],
    [
      'has a frame twice',
      () => {
        writeFileSync(draft(), withLastTwice(readFileSync(draft())));
      },
    ],
    [
      'has a flipped bit',
      () => {
        const bytes = readFileSync(draft());
        bytes[20] = (bytes[20] ?? 0) ^ 1;
        writeFileSync(draft(), bytes);
      },
    ],
  ])('that %s is of no account', async (_, damage) => {
    await send();
    await written(3);
    damage();
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
    expect(scan).toHaveBeenCalled();
    expect(drafts()).toEqual([]);
  });

  it('of other changes in as many batches is of no account: agent and server agreed on a digest', async () => {
    const forged = new ManifestDrafts(storage);
    await send();
    await server.drafts.forget(agent.run.runId);
    jest.spyOn(server.drafts, 'find').mockImplementation((runId) => forged.find(runId));
    const batches = [[directory('/'), file('/a')], [directory('/d')], [file('/d/b'), file('/d/x', 0o600)]];
    for (const [at, changes] of batches.entries()) {
      const records = changes.map((change) => encodeChange(change));
      const payload = Buffer.concat(records.flatMap((record) => [lengthOf(record), record]));
      await forged.add({ ...agent.grant, number: 1 }, { sequence: at + 1, payloads: [payload], isAllWritten: true });
    }
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
    expect(scan).toHaveBeenCalled();
  });

  it('is given up when it cannot be written; the batches count all the same', async () => {
    await agent.start();
    await agent.send(directory('/'));
    jest.spyOn(server.drafts.find(agent.run.runId)!, 'add').mockRejectedValue(new Error('ENOSPC'));
    await agent.send(file('/a'));
    expect(drafts()).toEqual([]);
    await agent.commit();
    await expect(manifest()).resolves.toEqual(['/ dir', '/a 644']);
    expect(scan).toHaveBeenCalled();
  });

  it('goes when all drafts take more than they may: the one that waited longest first', async () => {
    class SmallDrafts extends ManifestDrafts {
      protected override readonly maxBytes = 100;
    }
    const small = new SmallDrafts(storage);
    const run = (runId: string) => ({ runId, taskNo: 1, number: 1 });
    const batch = (sequence: number, bytes: number) => {
      const record = Buffer.alloc(bytes, 'x');
      return { sequence, payloads: [Buffer.concat([lengthOf(record), record])], isAllWritten: true };
    };
    for (const runId of ['first', 'second']) await small.add(run(runId), batch(1, 10));
    for (let sequence = 2; sequence < 5; sequence += 1) await small.add(run('first'), batch(sequence, 10));
    expect(small.find('second')).toBeNull();
    expect(small.find('first')).not.toBeNull();
    // One that is too large by itself goes too.
    for (let sequence = 5; sequence < 20; sequence += 1) await small.add(run('first'), batch(sequence, 10));
    expect(small.find('first')).toBeNull();
    await small.forget('first');
    expect(drafts()).toEqual([]);
  });

  it('goes when another server has brought the run to its end', async () => {
    const other = new TestServer(test.database, storage);
    await send();
    await server.scheduler.tick();
    expect(server.drafts.find(agent.run.runId)).not.toBeNull();
    agent.use(other);
    await agent.commit();
    expect(drafts()).toHaveLength(1);
    await server.scheduler.tick();
    expect(drafts()).toEqual([]);
    await expect(manifest()).resolves.toEqual(WRITTEN);
  });

  it('makes room for a manifest from the catalog when there is none for both', async () => {
    await send();
    const copy = server.drafts.find(agent.run.runId)!;
    jest.spyOn(copy, 'copyTo').mockRejectedValue(new Error('ENOSPC'));
    scan.mockImplementation(function (this: CatalogReadRepository, ...args: unknown[]) {
      expect(drafts()).toEqual([]);
      scan.mockRestore();
      return (this.nextRange as (...all: unknown[]) => unknown)(...args);
    });
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
  });
});

function lengthOf(record: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(record.length);
  return bytes;
}

/** Of the whole frames of a draft. */
function frameStarts(bytes: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const end = at + 8 + bytes.readUInt32LE(at);
    if (end <= bytes.length) starts.push(at);
    at = end;
  }
  return starts;
}

function withLastTwice(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, bytes.subarray(frameStarts(bytes).at(-1))]);
}
