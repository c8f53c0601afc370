import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DomainError } from '../http/domain-error';
import { AnsweringThread } from '../threads/answering-thread';
import { type BlockCheck, type BlockVerdict, checkBlock } from './block-check';

/** One core is the main thread's. */
const MAX_THREADS = Math.max(1, Math.min(4, availableParallelism() - 1));
/** Blocks are given back at once; what is left for a collection is small. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 2 };

type Thread = AnsweringThread<BlockCheck, BlockVerdict>;

/**
 * Verifies and writes the blocks of uploads in threads of its own, where hashing and decompressing hold up no request. They start
 * with the first block. A thread that fails takes the checks that it had along, as errors, and another takes its place at the next
 * block. Where there are only sources (tests), blocks are checked in the caller's thread.
 */
@Injectable()
export class BlockChecks implements OnApplicationShutdown {
  protected readonly threadFile: string = join(__dirname, 'block-check-thread.js');
  private threads: Thread[] = [];
  /** Looked for at the first block. */
  private hasThreads: boolean | null = null;
  private isClosed = false;

  /** As checkBlock. The block's memory is gone at once. */
  async check(check: BlockCheck): Promise<BlockVerdict> {
    if (this.isClosed) throw new DomainError('unavailable', 'The server is being stopped: send it again.');
    this.hasThreads ??= existsSync(this.threadFile);
    if (!this.hasThreads) return checkBlock(check);
    return this.idlest()
      .ask(check, [check.block])
      .catch((cause: unknown) => {
        throw ended(cause);
      });
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }

  private idlest(): Thread {
    this.threads = this.threads.filter(({ hasEnded }) => !hasEnded);
    const [idlest] = this.threads.toSorted((a, b) => a.length - b.length);
    const hasRoom = this.threads.length < MAX_THREADS;
    return idlest === undefined || (idlest.length > 0 && hasRoom) ? this.start() : idlest;
  }

  private start(): Thread {
    const thread: Thread = new AnsweringThread(this.threadFile, 'checks blocks', { resourceLimits: RESOURCE_LIMITS });
    this.threads.push(thread);
    return thread;
  }
}

/** Whoever sent the block may send it again. */
function ended(cause: unknown): DomainError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new DomainError('unavailable', `The thread that verified the block has ended (${why}): send it again.`, {
    cause,
  });
}
