import type { DataSource } from 'typeorm';
import { refuseRestoring } from './postgres-restore-lock';
import { refuseUnfinishedRestore } from './unfinished-restore';

/** Any number that is ours: "Hold" in ASCII. */
const MIGRATION_LOCK = 0x48_6f_6c_64;

/**
 * Runs pending migrations once, even when several servers start together: the others wait and find nothing to do.
 * The lock is a transaction's, on a connection that does nothing else: it goes with the connection, whatever happens.
 * While the catalog is brought back only who does that (`isRestoring`) passes.
 * `source` must wait without limits: for another server's long migration, and idle through its own.
 */
export async function migrateOnce(source: DataSource, { isRestoring }: { isRestoring: boolean }): Promise<void> {
  const runner = source.createQueryRunner();
  try {
    await runner.startTransaction('READ COMMITTED');
    await runner.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    if (!isRestoring) {
      await refuseRestoring(runner);
      await refuseUnfinishedRestore(source);
    }
    await source.runMigrations({ transaction: 'all' });
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  } finally {
    await runner.release();
  }
}
