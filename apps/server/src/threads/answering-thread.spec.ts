import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AnsweringThread } from './answering-thread';

const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
parentPort.on('message', (question) => {
  if (question === 'throw') throw new Error('nobody thought of this');
  if (question === 'exit') process.exit(3);
  if (question === 'hang') for (;;);
  parentPort.postMessage([workerData, question instanceof ArrayBuffer ? question.byteLength : question]);
});
`;

describe('AnsweringThread', () => {
  let folder: string;
  let thread: AnsweringThread<unknown, unknown>;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-threads-'));
    const file = join(folder, 'thread.cjs');
    writeFileSync(file, SOURCE);
    thread = new AnsweringThread(file, 'is tried', { workerData: 'data' });
  });
  afterEach(async () => {
    await thread.terminate();
    rmSync(folder, { recursive: true, force: true });
  });

  it('answers each with its own, and says how many it has not answered', async () => {
    const answers = [1, 2, 3].map((question) => thread.ask(question));
    expect(thread.length).toBe(3);
    expect(await Promise.all(answers)).toEqual([1, 2, 3].map((question) => ['data', question]));
    expect(thread.length).toBe(0);
    expect(thread.hasEnded).toBe(false);
  });

  it('takes the memory that is moved', async () => {
    const memory = new ArrayBuffer(8);
    expect(await thread.ask(memory, [memory])).toEqual(['data', 8]);
    expect(memory.byteLength).toBe(0);
  });

  it('throws what cannot be sent, and later answers go to those that asked', async () => {
    expect(() => thread.ask(() => undefined)).toThrow('could not be cloned');
    expect(thread.length).toBe(0);
    expect(await thread.ask('next')).toEqual(['data', 'next']);
  });

  it('keeps the process alive while it is waited for, and no longer', async () => {
    const ports = (): number => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
    await thread.ask(0);
    const idle = ports();
    const [first, second] = [thread.ask(1), thread.ask(2)];
    expect(ports()).toBe(idle + 1);
    await first;
    await second;
    expect(ports()).toBe(idle);
  });

  it.each([
    ['throw', 'nobody thought of this'],
    ['exit', 'a thread that is tried ended with code 3'],
  ])('that ends by %s rejects all that waits with the cause, and what it is asked later', async (how, cause) => {
    const asked = [thread.ask('before'), thread.ask(how), thread.ask('behind')];
    const [before, at, behind] = await Promise.allSettled(asked);
    expect(before).toEqual({ status: 'fulfilled', value: ['data', 'before'] });
    for (const one of [at, behind]) {
      expect(one).toMatchObject({ status: 'rejected', reason: expect.objectContaining({ message: cause }) as unknown });
    }
    expect(thread.hasEnded).toBe(true);
    await expect(thread.ask('later')).rejects.toThrow(cause);
  });

  it('rejects what it is at when it is terminated', async () => {
    const hanging = thread.ask('hang').catch((error: unknown) => error);
    await thread.terminate();
    const cause = /^a thread that is tried ended with code \d$/;
    expect(await hanging).toMatchObject({ message: expect.stringMatching(cause) as unknown });
    await expect(thread.ask('later')).rejects.toThrow(cause);
  });
});
