import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { ConfigExportModule } from '../config-export/config-export.module';
import { ProtectWindowModule } from '../retention/protect-window.module';
import { UsersModule } from '../users/users.module';
import { ClientCareService } from './client-care.service';
import { ClientEnrolment } from './client-enrolment';
import { ClientPing } from './client-ping.service';
import { ClientSignals } from './client-signals';
import { ClientsApiController } from './clients.api.controller';
import { ClientsRepository } from './clients.repository';
import { ClientsService } from './clients.service';
import { EnrolmentCodesRepository } from './enrolment-codes.repository';
import { EnrolmentCodesService, EnrolmentRepositories } from './enrolment-codes.service';

@Module({
  imports: [AuditModule, ConfigExportModule, ProtectWindowModule, UsersModule],
  controllers: [ClientsApiController],
  providers: [
    ClientCareService,
    ClientEnrolment,
    ClientPing,
    ClientSignals,
    ClientsRepository,
    ClientsService,
    EnrolmentCodesRepository,
    EnrolmentCodesService,
    EnrolmentRepositories,
    FreshSignIn,
  ],
  exports: [EnrolmentCodesService, ClientCareService, ClientPing, ClientSignals, ClientsService],
})
export class ClientsModule {}
