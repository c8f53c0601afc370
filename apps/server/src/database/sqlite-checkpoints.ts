import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Logger } from '@nestjs/common';
import { type LogState, openLog } from './sqlite-log';

/**
 * 32 MB of log before its pages are copied into the file (SQLite's default: 4 MB). Chunk ids are random, so every pack
 * touches most pages of their index: copied less often, they are copied once for several packs.
 */
export const CHECKPOINT_PAGES = 8_000;
/** What a write may wait for at the end. */
const SHORT_LOG_PAGES = CHECKPOINT_PAGES / 8;
/** A slow disk takes long for a round, in which writes go on; but a reader of an older state leaves a rest however often. */
const MAX_ROUNDS = 4;
/** What is left of the thread's heap for a collection is next to nothing. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 1 };

/**
 * Has SQLite's log copied into its file by a thread, while requests and writes go on: in the main thread every 32 MB of log held all
 * of them up for 100 to 180 ms. First beside writes, until little is left, then that while the next write waits, as a log begins anew
 * only at a write that finds all of it copied: under steady writes it would grow for ever. The thread starts at the first
 * need. A checkpoint that fails loses nothing, as the log still holds all, and is told; the next is due after as many pages again.
 * Where there are only sources (tests), it is copied in the caller's thread.
 */
export class SqliteCheckpoints {
  protected readonly threadFile: string = join(__dirname, 'checkpoint-thread.js');
  private readonly logger = new Logger(SqliteCheckpoints.name);
  private thread: CheckpointThread | null = null;
  private underWay: Promise<void> | null = null;
  private isClosed = false;
  /** Pages of the log at which the next checkpoint begins. */
  private due = CHECKPOINT_PAGES;
  private lastPages = 0;

  /** `betweenWrites` runs what it is given while no write is open, and lets none begin before it ended. */
  constructor(
    private readonly path: string,
    private readonly betweenWrites: (work: () => Promise<LogState>) => Promise<LogState>,
  ) {}

  /** To be told of the log after each commit. */
  committed({ pages }: LogState): void {
    if (pages < this.lastPages) this.due = CHECKPOINT_PAGES;
    this.lastPages = pages;
    if (pages < this.due || this.underWay !== null || this.isClosed) return;
    this.underWay = this.run().finally(() => {
      this.underWay = null;
    });
  }

  /** Waits for the checkpoint that is under way; there will be no more. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.underWay;
    await this.thread?.end();
    this.thread = null;
  }

  private async run(): Promise<void> {
    try {
      for (let round = 0; round < MAX_ROUNDS; round += 1) {
        const { pages, copied } = await this.copy();
        // All was copied, and a write has begun it anew.
        if (this.lastPages < pages) return;
        if (this.lastPages - copied <= SHORT_LOG_PAGES) break;
      }
      const { pages, copied } = await this.betweenWrites(() => this.copy());
      // Somebody reads an older state (a dump): more would be copied only when he has ended.
      this.due = copied === pages ? CHECKPOINT_PAGES : pages + CHECKPOINT_PAGES;
    } catch (error) {
      this.due = this.lastPages + CHECKPOINT_PAGES;
      const why = error instanceof Error ? error.message : String(error);
      this.logger.error(
        `The catalog's log could not be copied into its file; nothing is lost, and it is tried again later: ${why}`,
      );
    }
  }

  /** What is asked of the thread. */
  protected copy(): Promise<LogState> {
    if (this.thread?.hasEnded !== false)
      this.thread = existsSync(this.threadFile) ? new CheckpointThread(this.threadFile, this.path) : null;
    if (this.thread !== null) return this.thread.ask();
    const log = openLog(this.path);
    try {
      return Promise.resolve(log.checkpoint());
    } finally {
      log.close();
    }
  }
}

/** A thread that is waited for keeps the process alive, and else does not. */
class CheckpointThread {
  hasEnded = false;
  private readonly worker: Worker;
  private waiting: PromiseWithResolvers<LogState> | null = null;

  constructor(file: string, path: string) {
    this.worker = new Worker(file, { workerData: path, resourceLimits: RESOURCE_LIMITS });
    this.worker.on('message', (state: LogState) => {
      this.waiting?.resolve(state);
      this.waiting = null;
      this.worker.unref();
    });
    this.worker.on('error', (error: Error) => {
      this.failed(error);
    });
    this.worker.on('exit', (code) => {
      this.failed(new Error(`the thread that copies the log ended with code ${code}`));
    });
  }

  /** One at a time. */
  ask(): Promise<LogState> {
    this.waiting = Promise.withResolvers();
    this.worker.ref();
    this.worker.postMessage('checkpoint');
    return this.waiting.promise;
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }

  private failed(error: Error): void {
    this.hasEnded = true;
    this.waiting?.reject(error);
    this.waiting = null;
  }
}
