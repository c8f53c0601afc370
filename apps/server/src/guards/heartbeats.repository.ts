import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';
import type { ClockMemory, ClockReading } from './clock-judgement';

/** Boots that were not heard of for so long are forgotten, but for the newest. */
const KEPT_MS = 30 * 86_400_000;
const NEWEST_STAMP = 'newest_stamp';

/** When servers were last seen, and the newest stamp that was ever issued. */
@Injectable()
export class HeartbeatsRepository {
  async memory(sql: Sql, bootId: string): Promise<ClockMemory> {
    const row = await sql.get<Record<'lastBeat' | 'accepted' | 'anchor' | 'uptime', number | null>>(
      `select (select max(at) from heartbeats) as "lastBeat",
         (select max(cast(subject as bigint)) from guard_acknowledgements where kind = 'clock-behind') as accepted,
         (select anchor_ms from heartbeats where boot_id = ?) as anchor,
         (select uptime_ms from heartbeats where boot_id = ?) as uptime`,
      [bootId, bootId],
    );
    const { lastBeat = null, accepted = null, anchor = null, uptime = null } = row ?? {};
    return {
      boot: anchor === null || uptime === null ? null : { anchorMs: anchor, uptimeMs: uptime },
      lastBeatMs: lastBeat,
      newestStampMs: await this.newestStamp(sql),
      acceptedStampMs: accepted ?? 0,
    };
  }

  async beat(tx: Sql, bootId: string, { nowMs, uptimeMs }: ClockReading): Promise<void> {
    await tx.run(
      `insert into heartbeats (boot_id, at, uptime_ms, anchor_ms) values (?, ?, ?, ?)
       on conflict (boot_id) do update set at = excluded.at, uptime_ms = excluded.uptime_ms,
         anchor_ms = case when excluded.uptime_ms < heartbeats.uptime_ms then excluded.anchor_ms else heartbeats.anchor_ms end`,
      [bootId, nowMs, uptimeMs, nowMs - uptimeMs],
    );
    await tx.run('delete from heartbeats where at < ? and at < (select max(at) from heartbeats)', [nowMs - KEPT_MS]);
  }

  /** After a leap that was acknowledged, all count anew from here. */
  async forgetAll(tx: Sql): Promise<void> {
    await tx.run('delete from heartbeats');
  }

  /** Newest stamp that any task issued, or time of a removal of its versions, of tasks that are gone too; 0: none. */
  async newestStamp(sql: Sql): Promise<number> {
    const row = await sql.get<{ kept: string | null; stamp: number | null }>(
      `select (select value from settings where name = ?) as kept, (select max(last_stamp) from tasks) as stamp`,
      [NEWEST_STAMP],
    );
    return Math.max(Number(row?.kept ?? 0), row?.stamp ?? 0);
  }

  /** Never lowered. */
  async raiseNewestStamp(tx: Sql, stampMs: number): Promise<void> {
    await tx.run('insert into settings (name, value) values (?, ?) on conflict do nothing', [NEWEST_STAMP, '0']);
    const row = await tx.get<{ value: string }>(
      `select s.value from settings s where s.name = ? ${tx.forUpdate('s')}`,
      [NEWEST_STAMP],
    );
    if (stampMs <= Number(row?.value ?? 0)) return;
    await tx.run('update settings set value = ? where name = ?', [String(stampMs), NEWEST_STAMP]);
  }
}
