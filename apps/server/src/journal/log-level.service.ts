import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { SERVER_LOG_LEVELS, type ServerLogLevel } from '#common';
import { actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { Database } from '../database/database';
import type { PersonIdentity } from '../users/person-identity';
import { ServerLog } from './server-log';

/** How much the servers say, changed while they run: on all of them, until each starts anew (then LOG_LEVEL counts). */
@Injectable()
export class LogLevelService implements OnApplicationBootstrap, OnModuleDestroy {
  private stopListening: () => void = () => undefined;

  constructor(
    private readonly log: ServerLog,
    private readonly database: Database,
    private readonly audit: AuditService,
  ) {}

  onApplicationBootstrap(): void {
    this.stopListening = this.database.listen('log-level', {
      onNotice: (message) => {
        const level = SERVER_LOG_LEVELS.find((known) => known === message);
        if (level !== undefined) this.log.level = level;
      },
      // What was told meanwhile is lost: a server that says too much or too little harms nothing, and can be told again.
      onGap: () => undefined,
    });
  }

  onModuleDestroy(): void {
    this.stopListening();
  }

  get level(): ServerLogLevel {
    return this.log.level;
  }

  async change(person: PersonIdentity, level: ServerLogLevel): Promise<void> {
    await this.database.write('audit.append', async (tx) => {
      await this.audit.record(tx, actorOf(person), { action: 'server.log-level', details: { level } });
      await tx.notify('log-level', level);
    });
    // This server need not wait for its own notice.
    this.log.level = level;
  }
}
