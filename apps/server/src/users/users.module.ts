import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { ConfigExportModule } from '../config-export/config-export.module';
import { ProtectWindowModule } from '../retention/protect-window.module';
import { AccountsService } from './accounts.service';
import { DomainsService } from './domains.service';
import { FirstAdmin } from './first-admin';
import { Passwords } from './passwords';
import { UsersApiController } from './users.api.controller';
import { UsersRepository } from './users.repository';
import { UsersService } from './users.service';

@Module({
  imports: [AuditModule, ConfigExportModule, ProtectWindowModule],
  controllers: [UsersApiController],
  providers: [AccountsService, DomainsService, FirstAdmin, Passwords, UsersRepository, UsersService],
  exports: [AccountsService, DomainsService, UsersService],
})
export class UsersModule {}
