import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Leases } from '../leases/leases.service';
import { LogsService } from './logs.service';

const EVERY_MS = 3_600_000;

/** Prunes once an hour, on one server. */
@Injectable()
export class LogsScheduler implements OnApplicationBootstrap {
  private readonly logger = new Logger(LogsScheduler.name);

  constructor(
    private readonly logs: LogsService,
    private readonly leases: Leases,
  ) {}

  /** Behind the start: a server that is restarted every hour prunes too. */
  onApplicationBootstrap(): void {
    void this.tick();
  }

  @Interval(EVERY_MS)
  async tick(): Promise<void> {
    try {
      if (await this.leases.take('logs.prune', EVERY_MS / 2)) await this.logs.prune();
    } catch (error) {
      this.logger.error(`Old log lines could not be removed: ${String(error)}`);
    }
  }
}
