import { LIMITS } from '#common';
import { decodeChange, decodeRecords } from '#engine';
import type { RunToken, ServerApi } from '../server-api/server-api';
import { BatchSender } from './batch-sender';
import { closeStep } from './steps';
import type { Step } from './window';

const RUN: RunToken = { runId: 'run', token: 'token' };
const CARRIED: Step = { change: null, contents: [], line: null, oldLine: null };

/** Paths of each batch that is sent for so many steps. */
async function batchesOf(steps: readonly Step[]): Promise<string[][]> {
  const sent: string[][] = [];
  const api = {
    sendBatch: (_run: RunToken, number: number, body: Buffer) => {
      expect(number).toBe(sent.length + 1);
      const { records } = decodeRecords(body, 'changes', 'test');
      sent.push(records.map((record) => decodeChange(record, 'test').path.toString()));
      return Promise.resolve({});
    },
  } as unknown as ServerApi;
  const never = () => {
    throw new Error('nothing is to be repaired');
  };
  const batches = new BatchSender(api, RUN, { again: never, giveUp: never });
  const yielded: Step[] = [];
  for await (const step of batches.send(steps)) yielded.push(step);
  expect(yielded).toEqual(steps);
  expect(batches).toMatchObject({ batches: sent.length, changes: sent.flat().length });
  return sent;
}

const closings = (count: number): Step[] =>
  Array.from({ length: count }, (_, index) => closeStep(Buffer.from(`/${index}`), 'deleted'));

describe('the steps of a window', () => {
  it('go in as few batches as take them, each about the same', async () => {
    const most = LIMITS.batchRecords;
    const countsOf = async (count: number) => (await batchesOf(closings(count))).map(({ length }) => length);
    expect(await countsOf(1)).toEqual([1]);
    expect(await countsOf(most)).toEqual([most]);
    expect(await countsOf(most + 1)).toEqual([most / 2 + 1, most / 2]);
    expect(await countsOf(2 * most + 1)).toEqual([667, 667, 667]);
  });

  it('go in order, and those that change nothing cost no batch', async () => {
    const steps = closings(1_500).flatMap((step) => [CARRIED, step, CARRIED]);
    expect((await batchesOf(steps)).flat()).toEqual(Array.from({ length: 1_500 }, (_, index) => `/${index}`));
    expect(await batchesOf([CARRIED, CARRIED])).toEqual([]);
  });
});
