import { createReadStream, createWriteStream, existsSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  CorruptError,
  decodeIndexHeader,
  decodeRecordStream,
  type IndexHeader,
  type IndexRecord,
  openIndex,
  UnsupportedError,
} from '#engine';
import type { ServerApi } from '../server-api/server-api';
import { ServerUnreachableError } from '../server-api/server-problem';
import type { TaskState } from '../state/task-state';

/** What the task's head saw, in walk order, to be read once. */
export interface OldIndex {
  /** Null before the task's first run. */
  readonly count: number | null;
  readonly records: AsyncIterable<IndexRecord>;
}

/** Calls that answer at once are retried by the ServerApi; a long stream that breaks is begun again so many times. */
const MAX_FETCHES = 5;
const FETCH_PAUSE_MS = 1_000;
const FILE_BUFFER_BYTES = 1024 * 1024;

/**
 * The local index when it shows the server's head and generation and is whole, else a copy fetched from the server. Whole
 * is checked first: a closing that is decided by half an index would be a loss.
 */
export async function openOldIndex(state: TaskState, api: ServerApi, wanted: IndexHeader): Promise<OldIndex> {
  if (wanted.head === null) return { count: null, records: noRecords() };
  const localCount = await countRecords(state.indexPath, wanted);
  if (localCount !== null) return { count: localCount, records: readRecords(state.indexPath) };
  const count = await fetchIndex(state, api, wanted);
  return { count, records: readRecords(state.fetchedIndexPath) };
}

async function fetchIndex(state: TaskState, api: ServerApi, wanted: IndexHeader): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      const file = createWriteStream(state.fetchedIndexPath, { mode: 0o600 });
      await pipeline(Readable.from(api.taskIndex(wanted.taskId)), file);
      const count = await countRecords(state.fetchedIndexPath, wanted);
      if (count !== null) return count;
      if (tries >= MAX_FETCHES)
        throw new Error("the server's index of the task is damaged, or is not that of its head");
    } catch (error) {
      if (!(error instanceof ServerUnreachableError) || tries >= MAX_FETCHES) throw error;
    }
    await sleep(FETCH_PAUSE_MS);
  }
}

/** How many records the index holds; null when it is not there, is damaged, or is not the one wanted. */
async function countRecords(path: string, wanted: IndexHeader): Promise<number | null> {
  if (!existsSync(path)) return null;
  try {
    let count = -1;
    for await (const record of decodeRecordStream(openFile(path), 'index', path)) {
      if (count === -1 && !isWanted(decodeIndexHeader(record, path), wanted)) return null;
      count += 1;
    }
    return count === -1 ? null : count;
  } catch (error) {
    if (!(error instanceof CorruptError || error instanceof UnsupportedError)) throw error;
    rmSync(path, { force: true });
    return null;
  }
}

function isWanted(header: IndexHeader, wanted: IndexHeader): boolean {
  return header.head === wanted.head && header.generation === wanted.generation && header.taskId === wanted.taskId;
}

async function* readRecords(path: string): AsyncGenerator<IndexRecord, void, undefined> {
  yield* (await openIndex(openFile(path), path)).records;
}

function openFile(path: string): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: FILE_BUFFER_BYTES });
}

// eslint-disable-next-line @typescript-eslint/require-await -- an empty async iterable
async function* noRecords(): AsyncGenerator<IndexRecord, void, undefined> {
  yield* [];
}
