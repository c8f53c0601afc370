import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { SignInThrottleModule } from '../auth/sign-in-throttle.module';
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
import { CodeEnrolment, EnrolmentRepositories } from './code-enrolment';
import { EnrolmentCodesRepository } from './enrolment-codes.repository';
import { EnrolmentCodesService } from './enrolment-codes.service';

@Module({
  imports: [AuditModule, ConfigExportModule, ProtectWindowModule, SignInThrottleModule, UsersModule],
  controllers: [ClientsApiController],
  providers: [
    ClientCareService,
    ClientEnrolment,
    ClientPing,
    ClientSignals,
    ClientsRepository,
    ClientsService,
    CodeEnrolment,
    EnrolmentCodesRepository,
    EnrolmentCodesService,
    EnrolmentRepositories,
    FreshSignIn,
  ],
  exports: [EnrolmentCodesService, ClientCareService, ClientPing, ClientSignals, ClientsService],
})
export class ClientsModule {}
