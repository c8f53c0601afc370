import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { Leases } from '../leases/leases.service';
import { AuditRepository } from './audit.repository';

const EVERY_MS = 6 * 3_600_000;
const DAY_MS = 86_400_000;
const PRUNED_AT_ONCE = 5_000;

/** Removes events that were kept for AUDIT_RETENTION_DAYS, on one server, a slice at a time. */
@Injectable()
export class AuditPruning implements OnApplicationBootstrap {
  private readonly logger = new Logger(AuditPruning.name);

  constructor(
    private readonly database: Database,
    private readonly events: AuditRepository,
    private readonly leases: Leases,
    private readonly settings: ServerSettings,
  ) {}

  onApplicationBootstrap(): void {
    void this.tick();
  }

  @Interval(EVERY_MS)
  async tick(): Promise<void> {
    try {
      if (await this.leases.take('audit.prune', EVERY_MS / 2)) await this.prune();
    } catch (error) {
      this.logger.error(`Old audit events could not be removed: ${String(error)}`);
    }
  }

  async prune(): Promise<void> {
    const cutoff = (await this.database.now()) - this.settings.auditRetentionDays * DAY_MS;
    for (;;) {
      const oldest = await this.database.read((sql) => this.events.oldest(sql, PRUNED_AT_ONCE));
      const expired = oldest.filter(({ at }) => at < cutoff);
      const last = expired.at(-1);
      if (last !== undefined) {
        await this.database.write('audit.append', (tx) => this.events.removeUpTo(tx, last.no, cutoff));
      }
      if (expired.length < PRUNED_AT_ONCE) return;
    }
  }
}
