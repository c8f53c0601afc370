import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Database } from '../database/database';
import { ConfigExport } from './config-export.service';

/** Changes come in crowds: one export for all of them. */
const SETTLE_MS = 5_000;
/** For changes that nobody told of, such as `reset-password` beside a server on SQLite. */
const EVERY_MS = 3_600_000;

/** Exports some seconds after a change, after the start (a crash may have come between), and once an hour. */
@Injectable()
export class ConfigExportScheduler implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(ConfigExportScheduler.name);
  private timer: NodeJS.Timeout | null = null;
  private working: Promise<void> = Promise.resolve();
  private stopListening = (): void => undefined;

  constructor(
    private readonly database: Database,
    private readonly exports: ConfigExport,
  ) {}

  onApplicationBootstrap(): void {
    const soon = (): void => {
      this.soon();
    };
    this.stopListening = this.database.listen('config', { onNotice: soon, onGap: soon });
    this.soon();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopListening();
    if (this.timer !== null) clearTimeout(this.timer);
    await this.working;
  }

  @Interval(EVERY_MS)
  async tick(): Promise<void> {
    try {
      await this.exports.settle();
    } catch (error) {
      this.logger.error(`Users, clients and tasks could not be written to storage: ${String(error)}`);
    }
  }

  private soon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.working = this.tick();
    }, SETTLE_MS).unref();
  }
}
