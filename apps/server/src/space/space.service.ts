import { Injectable } from '@nestjs/common';
import type { KeptSums, SpaceAnswer, SpaceDay, SpaceForecast, SpaceHistoryAnswer, SpaceLevel } from '#common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { slices, type Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { type DiskSpace, FreeSpace } from '../storage/free-space';
import { ownerBoundOf, type PersonIdentity } from '../users/person-identity';
import { dayOf } from './day-of';
import { Added, Kept, keptOf, NOTHING, plus, sumsOf } from './kept-sums';
import { SpaceDaysRepository } from './space-days.repository';
import { filledDays, FORECAST_DAYS, forecastOf } from './space-history';
import { SpaceSubjectsRepository } from './space-subjects.repository';

const DAY_MS = 86_400_000;
const SHOWN_DAYS = 90;

export interface SpaceOutlook {
  /** Oldest first. */
  readonly days: readonly SpaceDay[];
  /** Null: fewer than two days are known, or there is no quota. */
  readonly forecast: SpaceForecast | null;
}

/** What is stored for whom: as it was reckoned last, and what runs added since. Cheap: no version and no chunk is read. */
@Injectable()
export class SpaceService {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly subjects: SpaceSubjectsRepository,
    private readonly days: SpaceDaysRepository,
    private readonly disk: FreeSpace,
  ) {}

  /** A `user` finds his own alone. */
  async describe(person: PersonIdentity): Promise<SpaceAnswer> {
    const ownerNo = ownerBoundOf(person);
    // A disk that cannot be asked is told by /health/ready.
    const disk = ownerNo === null ? await this.disk.least().catch(() => null) : null;
    return this.database.read(async (sql) => {
      const [users, clients, tasks] = [
        await this.subjects.users(sql, ownerNo),
        await this.subjects.clients(sql, ownerNo),
        await this.subjects.tasks(sql, ownerNo),
      ];
      const kept = new Kept(
        await this.days.newest(sql, [
          { level: 'all', subjectNo: 0 },
          ...users.map(({ no }) => ({ level: 'user' as const, subjectNo: no })),
          ...clients.map(({ no }) => ({ level: 'client' as const, subjectNo: no })),
          ...tasks.map(({ no }) => ({ level: 'task' as const, subjectNo: no })),
        ]),
      );
      const added = new Added();
      for await (const slice of slices(tasks)) {
        const counted = slice.map(({ no }) => ({ taskNo: no, upToRun: kept.of('task', no)?.upToRun ?? 0 }));
        for (const row of await this.subjects.addedSince(sql, counted)) added.byTask.set(row.taskNo, row);
      }
      for (const { no, clientNo } of tasks) added.raise(added.byClient, clientNo, added.byTask.get(no));
      for (const { no, userNo } of clients) added.raise(added.byUser, userNo, added.byClient.get(no));
      const forecasts = await this.forecasts(sql, users);
      const ofUsers = users.map((user) => {
        const sums = plus(kept.of('user', user.no), added.byUser.get(user.no));
        const { no, id, username, quotaBytes } = user;
        // The counter moves with the rows of chunks.
        return {
          id,
          username,
          quotaBytes,
          ...sums,
          storedBytes: user.storedBytes,
          forecast: forecasts.get(no) ?? null,
        };
      });
      const total = ownerNo === null ? plus(kept.of('all', 0), added.all()) : sumsOf(ofUsers[0] ?? NOTHING);
      return {
        atMs: kept.newestMs,
        disk,
        total,
        forecast: ownerNo === null ? await this.forecastOfAll(sql, total, disk) : (ofUsers[0]?.forecast ?? null),
        users: ofUsers,
        clients: clients.map(({ no, id, name, userId }) => ({
          ...{ id, name, userId },
          ...keptOf(plus(kept.of('client', no), added.byClient.get(no))),
        })),
        tasks: tasks.map(({ no, id, name, clientId }) => ({
          ...{ id, name, clientId },
          ...keptOf(plus(kept.of('task', no), added.byTask.get(no))),
        })),
      };
    });
  }

  /** How all of it, or all of his, went and goes on: without a look at single clients. */
  async outlook(person: PersonIdentity): Promise<SpaceOutlook> {
    const { days } = await this.history(person, {});
    const ownerNo = ownerBoundOf(person);
    return this.database.read(async (sql) => {
      if (ownerNo === null) {
        const last = days.at(-1);
        if (last === undefined) return { days, forecast: null };
        const disk = await this.disk.least().catch(() => null);
        return { days, forecast: await this.forecastOfAll(sql, last, disk) };
      }
      const users = await this.subjects.users(sql, ownerNo);
      return { days, forecast: (await this.forecasts(sql, users)).get(ownerNo) ?? null };
    });
  }

  /** Throws `not-found` for what is not there, or not his. */
  async history(
    person: PersonIdentity,
    { of = 'all', id, days }: { of?: SpaceLevel; id?: string; days?: number },
  ): Promise<SpaceHistoryAnswer> {
    const ownerNo = ownerBoundOf(person);
    return this.database.read(async (sql) => {
      let [level, subjectNo] = [of, 0];
      if (of !== 'all') {
        const found = await this.subjects.findNo(sql, of, { id: id ?? '', ownerNo });
        if (found === undefined) throw new DomainError('not-found', `There is no ${of} ${id ?? 'without an id'}.`);
        subjectNo = found;
      } else if (ownerNo !== null) {
        [level, subjectNo] = ['user', ownerNo];
      }
      const kept = await this.daysOf(sql, level, [subjectNo], days ?? SHOWN_DAYS);
      const found = kept.get(subjectNo) ?? [];
      const isWhole = level === 'all' || level === 'user';
      return { days: isWhole ? found : found.map((one) => ({ day: one.day, ...keptOf(one) })) };
    });
  }

  private async daysOf(
    sql: Sql,
    level: SpaceLevel,
    subjectNos: readonly number[],
    days: number,
  ): Promise<Map<number, SpaceDay[]>> {
    const now = await sql.now();
    const { timeZone } = this.settings;
    const [from, to] = [dayOf(now - (days - 1) * DAY_MS, timeZone), dayOf(now, timeZone)];
    const bySubject = new Map<number, SpaceDay[]>();
    for await (const slice of slices(subjectNos)) {
      for (const { subjectNo, ...day } of await this.days.history(sql, { level, subjectNos: slice, from })) {
        const known = bySubject.get(subjectNo) ?? [];
        known.push(day);
        bySubject.set(subjectNo, known);
      }
    }
    return new Map([...bySubject].map(([no, rows]) => [no, filledDays(rows, from, to)]));
  }

  /** Of users with a quota. */
  private async forecasts(
    sql: Sql,
    users: readonly { no: number; quotaBytes: number | null; storedBytes: number }[],
  ): Promise<Map<number, SpaceForecast | null>> {
    const bounded = users.filter(({ quotaBytes }) => quotaBytes !== null);
    const days = await this.daysOf(
      sql,
      'user',
      bounded.map(({ no }) => no),
      FORECAST_DAYS,
    );
    const nowMs = await sql.now();
    return new Map(
      bounded.map(({ no, quotaBytes, storedBytes }) => [
        no,
        forecastOf(days.get(no) ?? [], { nowMs, storedBytes, limitBytes: quotaBytes }),
      ]),
    );
  }

  private async forecastOfAll(
    sql: Sql,
    { storedBytes }: KeptSums,
    disk: DiskSpace | null,
  ): Promise<SpaceForecast | null> {
    const days = await this.daysOf(sql, 'all', [0], FORECAST_DAYS);
    const limitBytes = disk === null ? null : storedBytes + Math.max(0, disk.freeBytes - this.settings.minFreeBytes);
    return forecastOf(days.get(0) ?? [], { nowMs: await sql.now(), storedBytes, limitBytes });
  }
}
