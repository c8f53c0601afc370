import { Inject, Injectable } from '@nestjs/common';
import { encodeRemovalHeader, encodeRemovedVersion, RecordStreamEncoder, removalKey } from '#engine';
import { Database } from '../database/database';
import { DeletionGuard, deletionStopped } from '../guards/deletion-guard';
import { type Storage, STORAGE } from '../storage/storage';
import { type Removal, RemovalsRepository } from './removals.repository';

/** Brings removals that were decided to their end: record in storage, then the rows go. Safe to repeat from any point. */
@Injectable()
export class RemovalCompletion {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly removals: RemovalsRepository,
    private readonly guard: DeletionGuard,
  ) {}

  /**
   * All of the task that are open. Throws `deletion-stopped` at one that storage does not know yet, when it is not safe to delete;
   * what storage calls gone goes. A removal has some thousand versions at most, so its record is made in memory.
   */
  async completeAll(taskNo: number): Promise<void> {
    for (const removal of await this.database.read((sql) => this.removals.listOpen(sql, taskNo))) {
      const key = removalKey(removal.taskId, removal.no, removal.id);
      const stop = await this.database.read((sql) => this.guard.findIn(sql));
      if (stop !== undefined && (await this.storage.stat(key)) === null) throw deletionStopped(stop);
      // Record before rows (durability.md, invariant 8): an older catalog that is brought back knows what is gone.
      const bytes = await this.encode(removal);
      // Looked at after its versions: another server may have brought it to its end meanwhile, and they are gone from the table.
      if (!(await this.database.read((sql) => this.removals.isOpen(sql, removal)))) continue;
      await this.storage.put(key, { bytes });
      await this.database.write('retention.remove', (tx) => this.removals.remove(tx, removal));
    }
  }

  private async encode(removal: Removal): Promise<Buffer> {
    const { doomed, paths } = await this.database.read(async (sql) => {
      const versions = await this.removals.doomed(sql, removal);
      return {
        doomed: versions,
        paths: await this.removals.pathsOf(
          sql,
          versions.map(({ pathNo }) => pathNo),
        ),
      };
    });
    const encoder = new RecordStreamEncoder('removal');
    const { id, taskId, no, decidedMs, cause } = removal;
    const parts = [encoder.add(encodeRemovalHeader({ removalId: id, taskId, number: no, decidedMs, cause }))];
    for (const { pathNo, firstRun, lastRun, joinsRun } of doomed) {
      const path = paths.get(pathNo);
      if (path === undefined) throw new Error(`path ${pathNo} was not looked up`);
      parts.push(encoder.add(encodeRemovedVersion({ path, firstRun, lastRun, joinsRun })));
    }
    return Buffer.concat([...parts.filter((part) => part !== null), encoder.finish()]);
  }
}
