import { Inject, Injectable } from '@nestjs/common';
import { CorruptError, openRemoval, type RemovedVersion } from '#engine';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { type Storage, STORAGE } from '../storage/storage';
import { type DoomedVersion, RemovalsRepository } from './removals.repository';

/** A removal as storage has it. */
export interface RecordedRemoval {
  readonly id: string;
  readonly number: number;
  readonly decidedMs: number;
  readonly cause: 'policy' | 'forget';
  readonly versions: readonly RemovedVersion[];
}

type NumbersOf = (sql: Sql, paths: readonly Buffer[]) => Promise<ReadonlyMap<string, number>>;

/** Removes once more what storage says is gone, from a catalog that was saved before that. */
@Injectable()
export class RemovalAdoption {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly removals: RemovalsRepository,
  ) {}

  /** Those that the catalog has not brought to their end. */
  unknownAmong<R extends { readonly id: string }>(records: readonly R[]): Promise<R[]> {
    return this.database.read(async (sql) => {
      const done = await this.removals.doneAmong(
        sql,
        records.map(({ id }) => id),
      );
      return records.filter(({ id }) => !done.has(id));
    });
  }

  /** Throws CorruptError, UnsupportedError, or what the storage says. */
  async read(key: string, taskId: string): Promise<RecordedRemoval> {
    const { header, records } = await openRemoval(await this.storage.stream(key), key);
    const versions: RemovedVersion[] = [];
    for await (const version of records) versions.push({ ...version, path: Buffer.from(version.path) });
    if (header.taskId !== taskId) throw new CorruptError(key, 'a removal record of another task');
    const { removalId: id, number, decidedMs, cause } = header;
    return { id, number, decidedMs, cause, versions };
  }

  /** One transaction. False when it was applied before. `numbersOf`: of the task's paths, by their bytes as latin1. */
  apply(taskNo: number, removal: RecordedRemoval, numbersOf: NumbersOf): Promise<boolean> {
    return this.database.write('catalog.adopt', async (tx) => {
      const numbers = await numbersOf(
        tx,
        removal.versions.map(({ path }) => path),
      );
      const doomed = removal.versions.flatMap(({ path, firstRun, lastRun, joinsRun }): DoomedVersion[] => {
        const pathNo = numbers.get(path.toString('latin1'));
        return pathNo === undefined ? [] : [{ pathNo, firstRun, lastRun, joinsRun }];
      });
      const { id, number, decidedMs, cause } = removal;
      const no = await this.removals.adopt(tx, { id, number, taskNo, cause, decidedMs }, doomed);
      if (no === null) return false;
      await this.removals.raiseNumbers(tx);
      return this.removals.remove(tx, { no, id, taskNo, taskId: '', cause, decidedMs });
    });
  }
}
