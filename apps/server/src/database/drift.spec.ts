import { DataSource } from 'typeorm';
import { entitiesFor } from './entities';
import { postgresUrl } from './postgres-url';
import { eachDatabase, type TestDatabase } from './testing';

/** What TypeORM would do to make the tables what the entities say. */
async function pendingChanges({ dialect, location }: TestDatabase): Promise<string[]> {
  const source = new DataSource(
    dialect === 'sqlite'
      ? { type: 'better-sqlite3', database: location.databasePath, entities: entitiesFor(dialect) }
      : { type: 'postgres', url: postgresUrl(location.databaseUrl ?? ''), entities: entitiesFor(dialect) },
  );
  await source.initialize();
  try {
    const log = await source.driver.createSchemaBuilder().log();
    return log.upQueries.map((query) => query.query);
  } finally {
    await source.destroy();
  }
}

eachDatabase('migrations', (open) => {
  it('make the very tables that the entities describe', async () => {
    expect(await pendingChanges(await open())).toEqual([]);
  });

  it('are seen to differ when an index is gone', async () => {
    const test = await open();
    await test.database.write('settings.set', (tx) => tx.run('drop index list_refs_child'));
    expect(await pendingChanges(test)).toEqual([expect.stringContaining('list_refs_child')]);
  });

  it('are seen to differ when a column is of another kind', async () => {
    const test = await open();
    await test.database.write('settings.set', async (tx) => {
      await tx.run('alter table packs drop column changed_at');
      await tx.run('alter table packs add column changed_at text');
    });
    expect(await pendingChanges(test)).not.toEqual([]);
  });

  it('end in tables that lie in the order of their key on SQLite', async () => {
    const { database, dialect } = await open();
    if (dialect === 'postgres') return;
    const clustered = await database.read((sql) =>
      sql.all<{ name: string }>(
        `select name from sqlite_master where type = 'table' and sql like '%WITHOUT ROWID%' order by name`,
      ),
    );
    expect(clustered.map((row) => row.name)).toEqual([
      'doomed_versions',
      'file_versions',
      'found_chunks',
      'leases',
      'list_refs',
      'run_batches',
      'run_outputs',
      'run_problems',
      'run_uploads',
      'settings',
      'sign_in_attempts',
      'space_days',
    ]);
  });
});
