import { Module } from '@nestjs/common';
import { LeasesModule } from '../leases/leases.module';
import { AuditApiController } from './audit.api.controller';
import { AuditPruning } from './audit-pruning';
import { AuditPagesController } from './audit.pages.controller';
import { AuditRepository } from './audit.repository';
import { AuditService } from './audit.service';

@Module({
  imports: [LeasesModule],
  controllers: [AuditApiController, AuditPagesController],
  providers: [AuditPruning, AuditRepository, AuditService],
  exports: [AuditService],
})
export class AuditModule {}
