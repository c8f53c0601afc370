import { auditOn } from '../audit/audit.testing';
import { SystemUptime, type Uptime } from '../config/uptime';
import { exportLine } from '../config-export/config-export.testing';
import type { Database } from '../database/database';
import { RepositoryIdentity } from '../storage/repository-identity';
import type { Storage } from '../storage/storage';
import { ClockWatch } from './clock-watch';
import { DeletionGuard, GuardRepositories, GuardWatches } from './deletion-guard';
import { DeletionStopsRepository } from './deletion-stops.repository';
import { HeartbeatsRepository } from './heartbeats.repository';
import { HighWater } from './high-water';
import { RecordedHistory } from './recorded-history.repository';
import { StorageWatch, StorageWatchReading } from './storage-watch';

/** The guard as a server wires it. */
export function guardOn(database: Database, storage: Storage, uptime: Uptime = new SystemUptime()): DeletionGuard {
  const exports = exportLine();
  const beats = new HeartbeatsRepository();
  const identity = new RepositoryIdentity(database, storage);
  const highWater = new HighWater(database, storage, identity);
  const reading = new StorageWatchReading(new RecordedHistory(), beats, highWater, exports);
  const watch = new StorageWatch(database, storage, identity, reading);
  return new DeletionGuard(
    database,
    new GuardWatches(new ClockWatch(uptime, beats), watch, highWater),
    new GuardRepositories(new DeletionStopsRepository(), beats, exports),
    auditOn(database),
  );
}
