import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';

const SETTING = 'protect_days';
const DAY_MS = 86_400_000;

/** A window that was in force, and until when it still is. */
interface Window {
  readonly days: number;
  readonly untilMs: number;
}

interface Stored {
  readonly days: number;
  readonly earlier: readonly Window[];
}

/**
 * The lock window, PROTECT_DAYS. A longer one counts at once; a shorter one only when the old one has passed since it was
 * first seen, so that nobody who comes to rule the server's settings can remove today what was protected yesterday.
 */
@Injectable()
export class ProtectWindow implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
  ) {}

  /** A change of the setting is noted when a server starts with it, whether or not retention comes to anything then. */
  async onModuleInit(): Promise<void> {
    await this.database.write('settings.set', async (tx) => this.days(tx, await tx.now()));
  }

  /** Days in force now. Notes a change of the setting. */
  async days(tx: Sql, nowMs: number): Promise<number> {
    const stored = await read(tx);
    const next = nextWindow(stored, this.settings.protectDays, nowMs);
    if (JSON.stringify(next) !== JSON.stringify(stored)) {
      await tx.run(
        `insert into settings (name, value) values (?, ?) on conflict (name) do update set value = excluded.value`,
        [SETTING, JSON.stringify(next)],
      );
    }
    return daysOf(next);
  }

  /** Until when what was hidden at `hiddenMs` can be brought back, by the window in force now. */
  async protectsUntil(tx: Sql, hiddenMs: number): Promise<number> {
    return hiddenMs + (await this.days(tx, await tx.now())) * DAY_MS;
  }

  /** The same for a reading, which notes nothing. */
  async daysSeen(sql: Sql, nowMs: number): Promise<number> {
    return daysOf(nextWindow(await read(sql), this.settings.protectDays, nowMs));
  }
}

function nextWindow(stored: Stored | null, days: number, nowMs: number): Stored {
  if (stored === null) return { days, earlier: [] };
  const earlier = stored.earlier.filter(({ untilMs, days: then }) => untilMs > nowMs && then > days);
  if (stored.days <= days) return { days, earlier };
  return { days, earlier: [...earlier, { days: stored.days, untilMs: nowMs + stored.days * DAY_MS }] };
}

function daysOf({ days, earlier }: Stored): number {
  return Math.max(days, ...earlier.map((window) => window.days));
}

async function read(sql: Sql): Promise<Stored | null> {
  const row = await sql.get<{ value: string }>('select value from settings where name = ?', [SETTING]);
  return row === undefined ? null : (JSON.parse(row.value) as Stored);
}
