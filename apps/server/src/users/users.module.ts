import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { ConfigExportModule } from '../config-export/config-export.module';
import { ProtectWindowModule } from '../retention/protect-window.module';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { AccountGrants } from './account-grants';
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
  providers: [
    AccountGrants,
    AccountsService,
    DomainsService,
    FirstAdmin,
    FreshSignIn,
    Passwords,
    UsersRepository,
    UsersService,
  ],
  exports: [AccountGrants, AccountsService, DomainsService, UsersService],
})
export class UsersModule {}
