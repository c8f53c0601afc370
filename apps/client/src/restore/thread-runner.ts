import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type BlockJob, type BlockResult } from './block-job';
import { type BlockRunner } from './block-runner';
import { type ThreadMessage, type ThreadSetup } from './block-thread';

/** More find nothing to do: the server and this thread want to run too. */
const MAX_THREADS = 4;
/** Garbage here is buffers mostly: with a small young generation they are freed sooner. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 8 };

interface Waiting {
  readonly resolve: (result: BlockResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Why it answers no more. */
  failure: Error | null;
  /** Calls that it has not answered, oldest first: it answers in order. */
  readonly waiting: Waiting[];
}

/** Opens and writes blocks in threads of its own; each job goes to the one with the least to do. */
export class ThreadRunner implements BlockRunner {
  private threads: Thread[] = [];

  /** `setup` null: blocks are verified only. */
  constructor(setup: ThreadSetup | null, threads: number) {
    const file = join(__dirname, 'block-thread.js');
    const count = Math.max(1, Math.min(MAX_THREADS, threads));
    for (let at = 0; at < count; at += 1) {
      const worker = new Worker(file, { workerData: setup, resourceLimits: RESOURCE_LIMITS });
      this.threads.push(watch({ worker, failure: null, waiting: [] }));
    }
  }

  async run({ block, rows }: BlockJob): Promise<BlockResult> {
    const [thread] = [...this.threads].sort((a, b) => a.waiting.length - b.waiting.length);
    if (thread === undefined) throw new Error('the threads that write were ended');
    return ask(thread, { block: block.buffer, rows: rows.buffer });
  }

  async close(): Promise<readonly BlockResult[]> {
    const threads = this.threads;
    this.threads = [];
    try {
      return await Promise.all(threads.map((thread) => ask(thread, null)));
    } finally {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    }
  }
}

function ask({ worker, failure, waiting }: Thread, message: ThreadMessage): Promise<BlockResult> {
  if (failure !== null) return Promise.reject(failure);
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    worker.postMessage(message, message === null ? [] : [message.block, message.rows]);
  });
}

function watch(thread: Thread): Thread {
  const { worker, waiting } = thread;
  const fail = (error: Error): void => {
    thread.failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  worker.on('message', (result: BlockResult) => waiting.shift()?.resolve(result));
  worker.on('error', fail);
  worker.on('exit', (code) => {
    fail(new Error(`a thread that writes ended with code ${code}`));
  });
  return thread;
}
