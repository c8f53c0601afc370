import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { MaintenanceService } from './maintenance.service';

const TICK_MS = 20_000;

/** Looks now and then whether a job is due. */
@Injectable()
export class MaintenanceScheduler {
  private readonly logger = new Logger(MaintenanceScheduler.name);

  constructor(private readonly maintenance: MaintenanceService) {}

  @Interval(TICK_MS)
  async tick(): Promise<void> {
    try {
      await this.maintenance.startDue();
    } catch (error) {
      this.logger.error(`Maintenance could not be looked after: ${String(error)}`);
    }
  }
}
