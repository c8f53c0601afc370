import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DomainError } from '../http/domain-error';
import { type BlockCheck, type BlockVerdict, checkBlock } from './block-check';

/** One core is the main thread's. */
const MAX_THREADS = Math.max(1, Math.min(4, availableParallelism() - 1));
/** Blocks are given back at once; what is left for a collection is small. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 2 };

interface Thread {
  readonly worker: Worker;
  /** Checks that it has not answered, oldest first: it answers in order. */
  readonly waiting: PromiseWithResolvers<BlockVerdict>[];
}

/**
 * Verifies and writes the blocks of uploads in threads of its own, where hashing and decompressing hold up no request. They start
 * with the first block. A thread that fails takes the checks that it had along, as errors, and another takes its place at the next
 * block. Where there are only sources (tests), blocks are checked in the caller's thread.
 */
@Injectable()
export class BlockChecks implements OnApplicationShutdown {
  protected readonly threadFile: string = join(__dirname, 'block-check-thread.js');
  private readonly threads = new Set<Thread>();
  /** Looked for at the first block. */
  private hasThreads: boolean | null = null;
  private isClosed = false;

  /** As checkBlock. The block's memory is gone at once. */
  async check(check: BlockCheck): Promise<BlockVerdict> {
    if (this.isClosed) throw new DomainError('unavailable', 'The server is being stopped: send it again.');
    this.hasThreads ??= existsSync(this.threadFile);
    if (!this.hasThreads) return checkBlock(check);
    return ask(this.idlest(), check);
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    await Promise.all([...this.threads].map(({ worker }) => worker.terminate()));
  }

  private idlest(): Thread {
    const [idlest] = [...this.threads].sort((a, b) => a.waiting.length - b.waiting.length);
    const hasRoom = this.threads.size < MAX_THREADS;
    return idlest === undefined || (idlest.waiting.length > 0 && hasRoom) ? this.start() : idlest;
  }

  private start(): Thread {
    const worker = new Worker(this.threadFile, { resourceLimits: RESOURCE_LIMITS });
    const thread: Thread = { worker, waiting: [] };
    const end = (cause: Error): void => {
      this.threads.delete(thread);
      for (const { reject } of thread.waiting.splice(0)) reject(ended(cause));
    };
    worker.on('message', (verdict: BlockVerdict) => {
      thread.waiting.shift()?.resolve(verdict);
      if (thread.waiting.length === 0) worker.unref();
    });
    worker.on('error', end);
    worker.on('messageerror', (error) => {
      // Answers could be taken for others' now.
      end(error);
      void worker.terminate();
    });
    worker.on('exit', (code) => {
      end(new Error(`a thread that checks blocks ended with code ${code}`));
    });
    this.threads.add(thread);
    return thread;
  }
}

/** A thread that is waited for keeps the process alive, and no other. */
function ask({ worker, waiting }: Thread, check: BlockCheck): Promise<BlockVerdict> {
  // First: what cannot be sent is answered by nobody, and the answers come without names.
  worker.postMessage(check, [check.block]);
  const answer = Promise.withResolvers<BlockVerdict>();
  waiting.push(answer);
  worker.ref();
  return answer.promise;
}

/** Whoever sent the block may send it again. */
function ended(cause: Error): DomainError {
  const message = `The thread that verified the block has ended (${cause.message}): send it again.`;
  return new DomainError('unavailable', message, { cause });
}
