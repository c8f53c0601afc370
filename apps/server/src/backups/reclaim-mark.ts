import { Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import { ChunkBits } from './chunk-bits';
import { loopTurn } from './loop-turn';
import { ReclaimRepository } from './reclaim.repository';
import { type ChunkRange, RunUploadsRepository } from './run-uploads.repository';

/** A page is some milliseconds; between two, other requests have their turn. */
const PAGE_ROWS = 5_000;

/** Finds what is referred to: sequential readings, one bit a chunk, no counts that could be wrong. Complete by construction. */
@Injectable()
export class ReclaimMark {
  constructor(
    private readonly database: Database,
    private readonly repository: ReclaimRepository,
    readonly uploads: RunUploadsRepository,
  ) {}

  /**
   * Chunks that a version refers to, that a run sent which is on or failed after `failedSince`, or that a marked list names. A reference that comes while
   * this reads may be missed: so nothing is swept that an earlier pass did not condemn.
   */
  async mark(failedSince: number, signal: AbortSignal): Promise<ChunkBits> {
    const marked = new ChunkBits();
    await this.markVersions(marked, signal);
    await this.markSent(marked, failedSince, signal);
    while (await this.markListed(marked, signal)) {
      // Until a reading finds nothing new: a list may be older than one that it names.
    }
    return marked;
  }

  private async markVersions(marked: ChunkBits, signal: AbortSignal): Promise<void> {
    let after = { taskNo: 0, pathNo: 0, firstRun: 0 };
    for (let isOver = false; !isOver;) {
      signal.throwIfAborted();
      const place = after;
      const rows = await this.database.read((sql) => this.repository.versions(sql, place, PAGE_ROWS));
      for (const { contentNo, xattrsNo } of rows) {
        if (contentNo !== null) marked.add(contentNo);
        if (xattrsNo !== null) marked.add(xattrsNo);
      }
      after = rows.at(-1) ?? after;
      isOver = rows.length < PAGE_ROWS;
      await loopTurn();
    }
  }

  private async markSent(marked: ChunkBits, failedSince: number, signal: AbortSignal): Promise<void> {
    const ranges = await this.database.read((sql) => this.uploads.keptRanges(sql, failedSince));
    for (const range of ranges) await this.markRange(marked, range, signal);
  }

  private async markRange(marked: ChunkBits, range: ChunkRange, signal: AbortSignal): Promise<void> {
    for (let after = range.firstNo - 1, isOver = false; !isOver;) {
      signal.throwIfAborted();
      const place = after;
      const nos = await this.database.read((sql) => this.uploads.chunksIn(sql, range, place, PAGE_ROWS));
      for (const no of nos) marked.add(no);
      after = nos.at(-1) ?? after;
      isOver = nos.length < PAGE_ROWS;
      await loopTurn();
    }
  }

  /** One reading of all lists. True when it marked something. */
  private async markListed(marked: ChunkBits, signal: AbortSignal): Promise<boolean> {
    let isChanged = false;
    let before = { listNo: Number.MAX_SAFE_INTEGER, childNo: 0 };
    for (let isOver = false; !isOver;) {
      signal.throwIfAborted();
      const place = before;
      const rows = await this.database.read((sql) => this.repository.listRefs(sql, place, PAGE_ROWS));
      for (const { listNo, childNo } of rows) {
        if (marked.has(listNo) && marked.add(childNo)) isChanged = true;
      }
      before = rows.at(-1) ?? before;
      isOver = rows.length < PAGE_ROWS;
      await loopTurn();
    }
    return isChanged;
  }
}
