import { Injectable } from '@nestjs/common';
import { countRunSums } from '../backups/run-sums';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { dayOf } from './day-of';
import { SpaceDaysRepository } from './space-days.repository';
import { SpaceReadingRepository } from './space-reading.repository';
import { type Reckoned, SpaceTally } from './space-tally';
import { StorageSpace } from './storage-space';
import { TaskSpace } from './task-space';

/** Rows that are written together. */
const ROWS_PER_WRITE = 500;
/** Tasks whose runs, some hundred each, are counted together. */
const TASKS_PER_WRITE = 100;
const SHOWN_USERS = 10;

interface SpaceReport {
  users: number;
  clients: number;
  tasks: number;
  /** Of all, as in `GET /api/space`. */
  logicalBytes: number;
  uniqueBytes: number;
  storedBytes: number;
  reclaimableBytes: number;
  /** Who stores most, first. */
  largestUsers: { username: string; storedBytes: number; reclaimableBytes: number }[];
}

/** What it reads with. */
@Injectable()
export class ReckoningReading {
  constructor(
    readonly repository: SpaceReadingRepository,
    readonly tasks: TaskSpace,
    readonly storage: StorageSpace,
  ) {}
}

/**
 * Reckons what is stored for each user, client and task, once a day, and keeps it by day. Long sequential readings in small
 * pages, a bit a chunk in memory: for the whole, and for the one user, client and task that it is at.
 */
@Injectable()
export class SpaceReckoning {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly reading: ReckoningReading,
    private readonly days: SpaceDaysRepository,
  ) {}

  /** A dry run keeps nothing. */
  async run({
    isDryRun,
    signal,
    onProgress,
  }: {
    isDryRun: boolean;
    signal: AbortSignal;
    onProgress: (report: object) => void;
  }): Promise<SpaceReport> {
    const report: SpaceReport = {
      ...{ users: 0, clients: 0, tasks: 0 },
      ...{ logicalBytes: 0, uniqueBytes: 0, storedBytes: 0, reclaimableBytes: 0, largestUsers: [] },
    };
    const at = await this.database.now();
    const all = new SpaceTally();
    const found: Reckoned[] = [];
    const tasks = await this.database.read((sql) => this.reading.repository.tasks(sql));
    for (const ofOwner of groupsOf(tasks, ({ ownerNo }) => ownerNo)) {
      const owner = new SpaceTally();
      for (const ofClient of groupsOf(ofOwner, ({ clientNo }) => clientNo)) {
        const client = new SpaceTally();
        for (const task of ofClient) {
          const own = new SpaceTally();
          await this.reading.tasks.add(task, [own, client, owner, all], signal);
          found.push(reckoned('task', task.no, own, task.headRun));
          report.tasks += 1;
          onProgress(report);
        }
        found.push(reckoned('client', ofClient[0].clientNo, client, null));
        report.clients += 1;
      }
      found.push(reckoned('user', ofOwner[0].ownerNo, owner, null));
      report.users += 1;
    }
    const figures = await this.withUnused(found, all, signal);
    const whole = figures.find(({ level }) => level === 'all');
    if (whole !== undefined) {
      const { logicalBytes, uniqueBytes, storedBytes, reclaimableBytes } = whole;
      Object.assign(report, { logicalBytes, uniqueBytes, storedBytes, reclaimableBytes });
    }
    report.largestUsers = await this.largest(figures);
    if (!isDryRun) {
      await this.keep(figures, at);
      await this.countRuns(tasks.map(({ no }) => no));
    }
    return report;
  }

  /** What tasks' rows say of their runs is right again then, whatever ended them: a server of an older version, say. */
  private async countRuns(taskNos: readonly number[]): Promise<void> {
    for (let from = 0; from < taskNos.length; from += TASKS_PER_WRITE) {
      const slice = taskNos.slice(from, from + TASKS_PER_WRITE);
      await this.database.write('space.reckon', (tx) => countRunSums(tx, slice));
    }
  }

  private async largest(figures: readonly Reckoned[]): Promise<SpaceReport['largestUsers']> {
    const users = figures.filter(({ level }) => level === 'user').sort((a, b) => b.storedBytes - a.storedBytes);
    const shown = users.slice(0, SHOWN_USERS);
    const nos = shown.map(({ subjectNo }) => subjectNo);
    const names = await this.database.read((sql) => this.reading.repository.usernames(sql, nos));
    return shown.map(({ subjectNo, storedBytes, reclaimableBytes }) => ({
      ...{ username: names.get(subjectNo) ?? '', storedBytes, reclaimableBytes },
    }));
  }

  /** Adds what lies in storage and is not in use, of users and of all, and the sums of all. */
  private async withUnused(found: readonly Reckoned[], all: SpaceTally, signal: AbortSignal): Promise<Reckoned[]> {
    // Before the rows are read: what is brought meanwhile counts as unused until the next reckoning.
    const brought = await this.database.read((sql) => this.reading.repository.broughtByOwners(sql));
    const { unusedOfDomains, ...storage } = await this.reading.storage.read(all.bits, signal);
    const ofUsers = new Map<number, number>();
    const storedOfUsers = new Map<number, number>();
    for (const { no, ownerNo, storedBytes } of await this.database.read((sql) =>
      this.reading.repository.domains(sql),
    )) {
      add(ofUsers, ownerNo, unusedOfDomains.get(no) ?? 0);
      add(storedOfUsers, ownerNo, storedBytes);
    }
    // What a run that is on brought is about to be referred to.
    const unusedOf = (owner: number): number => Math.max(0, (ofUsers.get(owner) ?? 0) - (brought.get(owner) ?? 0));
    return [
      ...found.map((one) => {
        if (one.level !== 'user') return one;
        const storedBytes = storedOfUsers.get(one.subjectNo) ?? one.storedBytes;
        return { ...one, storedBytes, reclaimableBytes: unusedOf(one.subjectNo) };
      }),
      { level: 'all', subjectNo: 0, logicalBytes: all.logicalBytes, ...storage, upToRun: null },
    ];
  }

  /** What is as it was the last time is not written again: a day of which nothing is known is as the one before. */
  private async keep(figures: readonly Reckoned[], at: number): Promise<void> {
    const before = new Map(
      (await this.database.read((sql) => this.days.newest(sql, figures))).map((row) => [
        `${row.level} ${row.subjectNo}`,
        row,
      ]),
    );
    const changed = figures.filter((row) => {
      const last = before.get(`${row.level} ${row.subjectNo}`);
      return row.level === 'all' || last === undefined || !isSame(row, last);
    });
    const day = dayOf(at, this.settings.timeZone);
    for (let from = 0; from < changed.length; from += ROWS_PER_WRITE) {
      const rows = changed.slice(from, from + ROWS_PER_WRITE);
      await this.database.write('space.reckon', (tx) => this.days.save(tx, rows, { day, at }));
    }
    await this.database.write('space.reckon', (tx) =>
      this.days.prune(tx, (days) => dayOf(at - days * 86_400_000, this.settings.timeZone)),
    );
  }
}

function reckoned(level: Reckoned['level'], subjectNo: number, tally: SpaceTally, upToRun: number | null): Reckoned {
  const { logicalBytes, uniqueBytes, storedBytes } = tally;
  return { level, subjectNo, logicalBytes, uniqueBytes, storedBytes, reclaimableBytes: 0, upToRun };
}

function isSame(a: Reckoned, b: Reckoned): boolean {
  return (['logicalBytes', 'uniqueBytes', 'storedBytes', 'reclaimableBytes', 'upToRun'] as const).every(
    (name) => a[name] === b[name],
  );
}

/** Neighbours of the same key. */
function groupsOf<T>(rows: readonly T[], keyOf: (row: T) => number): [T, ...T[]][] {
  const groups: [T, ...T[]][] = [];
  for (const row of rows) {
    const last = groups.at(-1);
    if (last !== undefined && keyOf(last[0]) === keyOf(row)) last.push(row);
    else groups.push([row]);
  }
  return groups;
}

function add(sums: Map<number, number>, no: number, bytes: number): void {
  sums.set(no, (sums.get(no) ?? 0) + bytes);
}
