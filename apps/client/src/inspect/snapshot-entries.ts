import { decodeEntry, decodeEntryRecord, decodeRecordStream, type Entry, ROOT_PATH } from '#engine';
import { EntryOrder } from '../restore/entry-order';
import { type ServerApi } from '../server-api/server-api';

export interface SnapshotEntry {
  readonly path: Buffer;
  readonly entry: Entry;
  /** The entry's identity: equal bytes, equal entries. */
  readonly entryBytes: Buffer;
}

/**
 * Everything in a snapshot, in walk order. What was handed out counts only when the stream has ended without error:
 * throws CorruptError, and RestoreError `unsafe-entries` for paths that are out of order.
 */
export async function* snapshotEntries(
  server: Pick<ServerApi, 'entries'>,
  snapshotId: string,
): AsyncGenerator<SnapshotEntry, void, undefined> {
  const order = new EntryOrder(ROOT_PATH);
  let count = 0;
  for await (const record of decodeRecordStream(server.entries(snapshotId, ROOT_PATH), 'entries', 'the snapshot')) {
    const place = `entry ${count} of the snapshot`;
    const { path, entry: entryBytes } = decodeEntryRecord(record, place);
    const entry = decodeEntry(entryBytes, place);
    order.check(path, entry);
    yield { path, entry, entryBytes };
    count += 1;
  }
}
