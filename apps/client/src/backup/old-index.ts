import { createWriteStream, existsSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CorruptError, type IndexHeader, IndexLines, UnsupportedError } from '#engine';
import type { ServerApi } from '../server-api/server-api';
import { ServerUnreachableError } from '../server-api/server-problem';
import type { TaskState } from '../state/task-state';
import { Breather } from './breathe';
import { readIndexFrames } from './index-reader';

/** What the task's head saw, in walk order: open, to be read once. */
export interface OldIndex {
  /** How many lines it has. Null before the task's first run. */
  readonly count: number | null;
  readonly lines: IndexLines | null;
  /** To be called when it is not read (any more). May be called twice. */
  close(): void;
}

/** Calls that answer at once are retried by the ServerApi; a long stream that breaks is begun again so many times. */
const MAX_FETCHES = 5;
const FETCH_PAUSE_MS = 1_000;

/**
 * The local index when it shows the server's head and generation and is whole, else a copy fetched from the server. Whole
 * and in order is checked first: a closing that is decided by half an index would be a loss.
 */
export async function openOldIndex(state: TaskState, api: ServerApi, wanted: IndexHeader): Promise<OldIndex> {
  if (wanted.head === null) return { count: null, lines: null, close: () => undefined };
  const localCount = await countLines(state.indexPath, wanted);
  if (localCount !== null) return open(state.indexPath, localCount);
  return open(state.fetchedIndexPath, await fetchIndex(state, api, wanted));
}

function open(path: string, count: number): OldIndex {
  const frames = readIndexFrames(path);
  const close = () => {
    frames.return();
  };
  return { count, lines: new IndexLines(frames, path), close };
}

async function fetchIndex(state: TaskState, api: ServerApi, wanted: IndexHeader): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      const file = createWriteStream(state.fetchedIndexPath, { mode: 0o600 });
      await pipeline(Readable.from(api.taskIndex(wanted.taskId)), file);
      const count = await countLines(state.fetchedIndexPath, wanted);
      if (count !== null) return count;
      if (tries >= MAX_FETCHES)
        throw new Error("the server's index of the task is damaged, or is not that of its head");
    } catch (error) {
      if (!(error instanceof ServerUnreachableError) || tries >= MAX_FETCHES) throw error;
    }
    await sleep(FETCH_PAUSE_MS);
  }
}

/** How many lines the index holds; null when it is not there, is damaged, or is not the one wanted. */
async function countLines(path: string, wanted: IndexHeader): Promise<number | null> {
  if (!existsSync(path)) return null;
  const frames = readIndexFrames(path);
  const breather = new Breather();
  try {
    const lines = new IndexLines(frames, path);
    if (!isWanted(lines.header, wanted)) return null;
    let count = 0;
    for (let frame = lines.frame; lines.next(); count++) {
      lines.insistOnOrder();
      if (lines.frame === frame) continue;
      frame = lines.frame;
      await breather.breathe();
    }
    return count;
  } catch (error) {
    if (!(error instanceof CorruptError || error instanceof UnsupportedError)) throw error;
    rmSync(path, { force: true });
    return null;
  } finally {
    frames.return();
  }
}

function isWanted(header: IndexHeader, wanted: IndexHeader): boolean {
  return header.head === wanted.head && header.generation === wanted.generation && header.taskId === wanted.taskId;
}
