import { type DynamicModule, Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { LogLevelApiController } from './log-level.api.controller';
import { LogLevelService } from './log-level.service';
import { ServerLog } from './server-log';
import { SettingsPagesController } from './settings.pages.controller';
import { silentLog } from './silent-log';

/** What the server says about itself. (`logs/` keeps what agents say.) */
@Module({})
export class JournalModule {
  /** Without a log (tests): one that nobody reads. */
  static with(log: ServerLog = silentLog()): DynamicModule {
    return {
      module: JournalModule,
      imports: [AuditModule],
      controllers: [LogLevelApiController, SettingsPagesController],
      providers: [LogLevelService, { provide: ServerLog, useValue: log }],
    };
  }
}
