import { Injectable } from '@nestjs/common';
import { ChunkBits } from '../backups/chunk-bits';
import { loopTurn } from '../backups/loop-turn';
import { Database } from '../database/database';
import { type ReckonedTask, SpaceReadingRepository } from './space-reading.repository';
import type { SpaceTally } from './space-tally';

const PAGE_ROWS = 5_000;
const LOOKED_UP = 1_000;

/** Reads what the versions of one task keep, each chunk once. Its cost is the task's own, whatever others hold. */
@Injectable()
export class TaskSpace {
  constructor(
    private readonly database: Database,
    private readonly repository: SpaceReadingRepository,
  ) {}

  /** Adds it to all the tallies: the task's own first, then those of who has the task. */
  async add({ no, headRun }: ReckonedTask, tallies: readonly SpaceTally[], signal: AbortSignal): Promise<void> {
    if (headRun === null) return;
    let found = await this.contents({ no, headRun }, tallies, signal);
    const seen = new ChunkBits();
    for (let isOver = false; !isOver;) {
      isOver = true;
      const next = new ChunkBits();
      for (const nos of found.slices(LOOKED_UP)) {
        signal.throwIfAborted();
        const chunks = await this.database.read((sql) => this.repository.chunks(sql, nos));
        for (const chunk of chunks) {
          seen.add(chunk.no);
          for (const tally of tallies) tally.addChunk(chunk);
        }
        await loopTurn();
        const lists = chunks.filter(({ height }) => height > 0).map((list) => list.no);
        if (lists.length === 0) continue;
        for (const child of await this.database.read((sql) => this.repository.children(sql, lists))) {
          if (!seen.has(child) && !found.has(child) && next.add(child)) isOver = false;
        }
      }
      found = next;
    }
  }

  /** What versions refer to by themselves. */
  private async contents(
    task: { no: number; headRun: number },
    tallies: readonly SpaceTally[],
    signal: AbortSignal,
  ): Promise<ChunkBits> {
    const found = new ChunkBits();
    for (let after = { pathNo: 0, firstRun: 0 }, isOver = false; !isOver;) {
      signal.throwIfAborted();
      const place = after;
      const rows = await this.database.read((sql) => this.repository.versions(sql, task, place, PAGE_ROWS));
      for (const { size, contentNo, xattrsNo } of rows) {
        if (contentNo !== null) found.add(contentNo);
        if (xattrsNo !== null) found.add(xattrsNo);
        for (const tally of tallies) tally.logicalBytes += size;
      }
      after = rows.at(-1) ?? after;
      isOver = rows.length < PAGE_ROWS;
      await loopTurn();
    }
    return found;
  }
}
