import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { AnsweringThread } from '../threads/answering-thread';
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

type CheckpointThread = AnsweringThread<'checkpoint', LogState>;

/**
 * Has SQLite's log copied into its file by a thread, while requests and writes go on: in the main thread every 32 MB of log held all
 * of them up for 100 to 180 ms. First beside writes, until little is left, then that while the next write waits, as a log begins anew
 * only at a write that finds all of it copied: under steady writes it would grow for ever. The thread starts at the first
 * need. A checkpoint that fails loses nothing, as the log still holds all, and is told; the next is due after as many pages again.
 * Two connections that copy need SQLite's check of the log's salt (in 3.54.1, which is bundled, and asked for by a test).
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
  private readonly files: string;

  /**
   * To be made when the file and its log are open. `betweenWrites` runs what it is given while no write is open, and lets none
   * begin before it ended.
   */
  constructor(
    private readonly path: string,
    private readonly betweenWrites: (work: () => Promise<LogState>) => Promise<LogState>,
  ) {
    this.files = filesAt(path);
  }

  get isUnderWay(): boolean {
    return this.underWay !== null;
  }

  /** To be told of the log after each commit. */
  committed({ pages }: LogState): void {
    if (pages < 0) return;
    if (pages < this.lastPages) this.due = CHECKPOINT_PAGES;
    this.lastPages = pages;
    if (pages < this.due || this.isUnderWay || this.isClosed) return;
    this.underWay = this.run().finally(() => {
      this.underWay = null;
    });
  }

  /** Waits for the checkpoint that is under way; there will be no more. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.underWay;
    await this.thread?.terminate();
    this.thread = null;
  }

  private async run(): Promise<void> {
    try {
      for (let round = 0; round < MAX_ROUNDS; round += 1) {
        const { pages, copied } = await this.copy();
        // Another process is at it.
        if (pages < 0) break;
        // All was copied, and a write has begun it anew.
        if (this.lastPages < pages) return;
        if (this.lastPages - copied <= SHORT_LOG_PAGES) break;
      }
      const { pages, copied } = await this.betweenWrites(() => this.copy());
      // Somebody reads an older state (a dump), or was at it: soon again, as the log grows meanwhile.
      this.due = pages >= 0 && copied === pages ? CHECKPOINT_PAGES : this.lastPages + SHORT_LOG_PAGES;
    } catch (error) {
      this.due = this.lastPages + CHECKPOINT_PAGES;
      const why = error instanceof Error ? error.message : String(error);
      this.logger.error(
        `The catalog's log could not be copied into its file; it holds all that was written, and that is tried again later: ${why}`,
      );
    }
  }

  /** What is asked of the thread. */
  protected async copy(): Promise<LogState> {
    if (this.thread?.hasEnded !== false) {
      // Two files of one name would share their locks in this process, and ruin one another (tried: SIGBUS).
      if (filesAt(this.path) !== this.files) {
        throw new Error(
          `${this.path}, or its -wal, is not the file that this server has open: it was replaced or removed under it`,
        );
      }
      this.thread = existsSync(this.threadFile) ? startThread(this.threadFile, this.path) : null;
    }
    if (this.thread !== null) return this.thread.ask('checkpoint');
    const log = openLog(this.path);
    try {
      return log.checkpoint();
    } finally {
      log.close();
    }
  }
}

function startThread(file: string, path: string): CheckpointThread {
  return new AnsweringThread(file, 'copies the log', { workerData: path, resourceLimits: RESOURCE_LIMITS });
}

/** Which files these are, whatever their names will be. */
function filesAt(path: string): string {
  const [file, log] = [path, `${path}-wal`].map((name) => statSync(name, { throwIfNoEntry: false }));
  return `${file?.dev}:${file?.ino} ${log?.dev}:${log?.ino}`;
}
