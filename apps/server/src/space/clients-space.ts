import { Injectable } from '@nestjs/common';
import type { KeptSums } from '#common';
import { Database } from '../database/database';
import { Added, Kept, keptOf, plus } from './kept-sums';
import { SpaceDaysRepository } from './space-days.repository';
import { SpaceSubjectsRepository } from './space-subjects.repository';

/** What is stored for some clients, a page of them: as it was reckoned last, and what runs added since. */
@Injectable()
export class ClientsSpace {
  constructor(
    private readonly database: Database,
    private readonly subjects: SpaceSubjectsRepository,
    private readonly days: SpaceDaysRepository,
  ) {}

  /** By client. Each as if it were alone; who asks may see these clients. */
  of(clientIds: readonly string[]): Promise<ReadonlyMap<string, KeptSums>> {
    return this.database.read(async (sql) => {
      const tasks = await this.subjects.tasksOf(sql, clientIds);
      const clientNos = new Map(tasks.map(({ clientId, clientNo }) => [clientId, clientNo]));
      const kept = new Kept(
        await this.days.newest(sql, [
          ...[...clientNos.values()].map((no) => ({ level: 'client' as const, subjectNo: no })),
          ...tasks.map(({ no }) => ({ level: 'task' as const, subjectNo: no })),
        ]),
      );
      // A task that was never reckoned has hundreds of runs since: what they all brought stands beside it.
      const counted = tasks.flatMap(({ no }) => {
        const known = kept.of('task', no);
        return known === undefined ? [] : [{ taskNo: no, upToRun: known.upToRun ?? 0 }];
      });
      const since = new Map((await this.subjects.addedSince(sql, counted)).map((row) => [row.taskNo, row]));
      const added = new Added();
      for (const { no, clientNo, newBytes, storedBytes } of tasks) {
        const all = { newBytes: newBytes ?? 0, storedBytes: storedBytes ?? 0 };
        added.raise(added.byClient, clientNo, kept.of('task', no) === undefined ? all : since.get(no));
      }
      return new Map(
        [...clientNos].map(([id, no]) => [id, keptOf(plus(kept.of('client', no), added.byClient.get(no)))]),
      );
    });
  }
}
