import { Injectable } from '@nestjs/common';
import { Uptime } from '../config/uptime';
import type { Sql } from '../database/sql';
import { type ClockFault, type ClockReading, judgeClock } from './clock-judgement';
import { HeartbeatsRepository } from './heartbeats.repository';

/** Compares the clock with what passed since the servers were last seen. */
@Injectable()
export class ClockWatch {
  constructor(
    private readonly uptime: Uptime,
    private readonly beats: HeartbeatsRepository,
  ) {}

  /** Looks without leaving a trace. */
  async look(sql: Sql): Promise<ClockFault[]> {
    return judgeClock(await this.reading(sql), await this.beats.memory(sql, this.uptime.bootId));
  }

  /** Looks, and leaves a heartbeat: what is found now is not found again, and must be kept. Returns the newest stamp too. */
  async beat(tx: Sql): Promise<{ faults: ClockFault[]; newestStampMs: number }> {
    const { bootId } = this.uptime;
    const reading = await this.reading(tx);
    const memory = await this.beats.memory(tx, bootId);
    const faults = judgeClock(reading, memory);
    await this.beats.raiseNewestStamp(tx, memory.newestStampMs);
    await this.beats.beat(tx, bootId, reading);
    return { faults, newestStampMs: memory.newestStampMs };
  }

  /** From now on the clock is believed as it stands. */
  async believe(tx: Sql): Promise<void> {
    await this.beats.forgetAll(tx);
    await this.beats.beat(tx, this.uptime.bootId, await this.reading(tx));
  }

  private async reading(sql: Sql): Promise<ClockReading> {
    return { nowMs: await sql.now(), uptimeMs: this.uptime.elapsedMs() };
  }
}
