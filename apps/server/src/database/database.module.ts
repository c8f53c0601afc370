import { Global, Module } from '@nestjs/common';
import type { KillPoints } from '#common';
import { Clock } from '../config/clock';
import { KILL_POINTS } from '../config/kill-points.token';
import { ServerSettings } from '../config/server-settings';
import { Database } from './database';

@Global()
@Module({
  providers: [
    {
      provide: Database,
      inject: [ServerSettings, Clock, KILL_POINTS],
      // Migrations have run before anything that needs the database is made.
      useFactory: (settings: ServerSettings, clock: Clock, killPoints: KillPoints): Promise<Database> =>
        Database.open({
          databaseUrl: settings.databaseUrl,
          databasePath: settings.databasePath,
          postgresLimits: {
            connections: settings.databasePoolSize,
            statementTimeoutMs: settings.databaseStatementTimeoutMs,
          },
          clock,
          ...(settings.clockAheadMs > 0 ? { postgresClock: clock } : {}),
          killPoints,
          isRestoring: settings.isRestoring,
        }),
    },
  ],
  exports: [Database],
})
export class DatabaseModule {}
