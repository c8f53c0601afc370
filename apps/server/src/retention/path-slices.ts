import type { Database } from '../database/database';
import type { ForgetRepository } from './forget.repository';

const SLICE_PATHS = 2_000;

/** Numbers of all paths of a task, descending: what a directory holds goes before it. Slice by slice, never empty ones. */
export async function* pathSlices(
  database: Database,
  repository: ForgetRepository,
  taskNo: number,
): AsyncGenerator<number[], void, undefined> {
  for (let below = Number.MAX_SAFE_INTEGER, isOver = false; !isOver;) {
    const page = { below, limit: SLICE_PATHS };
    const numbers = await database.read((sql) => repository.pathsBelow(sql, taskNo, page));
    if (numbers.length > 0) yield numbers;
    below = numbers.at(-1) ?? 0;
    isOver = numbers.length < SLICE_PATHS;
  }
}
