import { comparePaths, CorruptError, decodeEntry, decodeRecordStream, decodeVersionRecord } from '#engine';
import type { CloseReason } from '#engine';
import { type ServerApi } from '../server-api/server-api';
import { type SnapshotEntry } from './snapshot-entries';

/** One path as it was from run `firstRun` until before run `lastRun` (null: it is current). */
export interface TaskVersion extends SnapshotEntry {
  readonly firstRun: number;
  readonly lastRun: number | null;
  readonly endReason: CloseReason | null;
}

/**
 * Every version that a task's snapshots hold, in walk order and oldest first within a path. What was handed out counts
 * only when the stream has ended without error. Throws CorruptError, also for what is out of order.
 */
export async function* taskVersions(
  server: Pick<ServerApi, 'versions'>,
  taskId: string,
): AsyncGenerator<TaskVersion, void, undefined> {
  let last: { path: Buffer; lastRun: number | null } | null = null;
  let count = 0;
  for await (const record of decodeRecordStream(server.versions(taskId), 'versions', 'versions of the task')) {
    const place = `version ${count} of the task`;
    const { entry: entryBytes, ...version } = decodeVersionRecord(record, place);
    const { path, firstRun, lastRun } = version;
    if (last !== null) {
      const order = comparePaths(last.path, path);
      const isNewer = last.lastRun !== null && firstRun >= last.lastRun;
      if (order > 0 || (order === 0 && !isNewer)) throw new CorruptError(place, 'comes twice or out of order');
    }
    last = { path, lastRun };
    yield { ...version, entry: decodeEntry(entryBytes, place), entryBytes };
    count += 1;
  }
}
