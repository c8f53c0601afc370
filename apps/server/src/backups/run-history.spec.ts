import { randomUUID } from 'node:crypto';
import { RunProblemItem } from '#common';
import { EMPTY_CHAIN_DIGEST } from '#engine';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { RunReportsRepository } from './run-reports.repository';
import { RunHistoryRepository } from './run-history.repository';
import { RunHistoryService } from './run-history.service';
import { codeOf, directory, file, type TestAgent, TestServer, WatchedStorage } from './runs.testing';

eachDatabase('The runs of a client', (open) => {
  let test: TestDatabase;
  let server: TestServer;
  let agent: TestAgent;
  let history: RunHistoryService;
  let removeSpool: () => void;
  beforeEach(async () => {
    test = await open();
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    server = new TestServer(test.database, storage);
    agent = await server.agent();
    history = new RunHistoryService(test.database, new RunHistoryRepository(), new RunReportsRepository());
  });
  afterEach(async () => {
    await server.undos.idle();
    removeSpool();
  });

  it('are told newest first, whatever became of them', async () => {
    await agent.start();
    await agent.send(directory('/'), file('/a'));
    await agent.commit({ outcome: 'partial', files: 1, unsavedCount: 3, logicalBytes: 7 });
    test.clock.advance(1_000);
    await agent.start();
    await agent.abort('cancelled');
    await server.undos.idle();
    test.clock.advance(1_000);
    await agent.start();
    const { runs, next } = await history.listRuns(1);
    expect(next).toBeNull();
    expect(runs).toMatchObject([
      { number: 3, state: 'running', stampMs: null, endedMs: null, task: 'cli' },
      { number: 2, state: 'cancelled', stampMs: null, files: 0 },
      { number: 1, state: 'partial', unsavedCount: 3, logicalBytes: 7, error: null, taskId: agent.taskId },
    ]);
    expect(runs[2]?.stampMs).toBeGreaterThan(0);
    await expect(history.listRuns(2)).resolves.toEqual({ runs: [], next: null });
  });

  it('come in pages that leave nothing out, also where many started at once', async () => {
    await agent.backUp(directory('/'));
    const { taskNo } = agent.grant;
    await test.database.write('runs.batch', async (tx) => {
      for (let number = 2; number <= 450; number += 1) {
        const run = { taskNo, number, runId: randomUUID(), tokenHash: EMPTY_CHAIN_DIGEST, parentRun: 1 };
        const times = { startedAt: 1_000 * Math.floor(number / 300), leaseUntil: 0 };
        const rest = { chainDigest: EMPTY_CHAIN_DIGEST, platform: 'linux', chunkerId: 'x', roots: Buffer.from('[]') };
        await server.runRows.insert(tx, { ...run, ...times, ...rest, excludes: [] });
        await tx.run("update runs set state = 'failed' where task_no = ? and number = ?", [taskNo, number]);
      }
    });
    const seen: number[] = [];
    let pages = 0;
    for (let before: string | undefined; ;) {
      const page = await history.listRuns(1, before);
      seen.push(...page.runs.map(({ number }) => number));
      pages += 1;
      if (page.next === null) break;
      before = page.next;
    }
    expect(pages).toBe(3);
    expect(seen).toHaveLength(450);
    expect(new Set(seen).size).toBe(450);
  });

  it('name the paths that they told about, page by page', async () => {
    await agent.start();
    const item = (at: number, kind: 'unsaved' | 'note'): RunProblemItem =>
      Object.assign(new RunProblemItem(), {
        pathBase64: Buffer.from(`/p${String(at)}`).toString('base64'),
        kind,
        reason: 'because',
      });
    await server.runs.addProblems(
      agent.grant,
      Array.from({ length: 1_000 }, (_, at) => item(at, 'unsaved')),
    );
    await server.runs.addProblems(agent.grant, [item(1_000, 'note')]);
    const first = await history.listProblems(1, agent.run.runId);
    expect(first.problems).toHaveLength(1_000);
    const second = await history.listProblems(1, agent.run.runId, first.next ?? 0);
    expect(second).toEqual({ problems: [{ pathBase64: 'L3AxMDAw', kind: 'note', reason: 'because' }], next: null });
  });

  it('of another client are not found', async () => {
    await agent.start();
    await expect(codeOf(history.listProblems(2, agent.run.runId))).resolves.toBe('not-found');
    await expect(codeOf(history.listRuns(2, agent.run.runId))).resolves.toBe('not-found');
  });
});
