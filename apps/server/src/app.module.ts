import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { ApiDocsModule } from './api-docs/api-docs.module';
import { AuthModule } from './auth/auth.module';
import { BackupsModule } from './backups/backups.module';
import { ClientsModule } from './clients/clients.module';
import { ConfigModule, type ConfigParts } from './config/config.module';
import { DashboardModule } from './dashboard/dashboard.module';
import { DatabaseModule } from './database/database.module';
import { FleetModule } from './fleet/fleet.module';
import { HealthModule } from './health/health.module';
import { JournalModule } from './journal/journal.module';
import { LogsModule } from './logs/logs.module';
import { MaintenanceModule } from './maintenance/maintenance.module';
import { MetricsModule } from './metrics/metrics.module';
import { PagesModule } from './pages/pages.module';
import { PeopleModule } from './people/people.module';
import { SpaceModule } from './space/space.module';
import { StorageModule } from './storage/storage.module';
import { TlsModule } from './tls/tls.module';
import { UsersModule } from './users/users.module';

@Module({})
export class AppModule {
  static with(parts: ConfigParts): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.with(parts),
        TlsModule.with(parts),
        ScheduleModule.forRoot(),
        DatabaseModule,
        StorageModule,
        UsersModule,
        ClientsModule,
        AuthModule,
        BackupsModule,
        FleetModule,
        LogsModule,
        JournalModule.with(parts.log),
        MaintenanceModule,
        HealthModule,
        MetricsModule,
        SpaceModule,
        DashboardModule,
        PagesModule,
        PeopleModule,
        ApiDocsModule,
      ],
    };
  }
}
