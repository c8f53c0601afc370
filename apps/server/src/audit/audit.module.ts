import { Module } from '@nestjs/common';
import { AuditApiController } from './audit.api.controller';
import { AuditPagesController } from './audit.pages.controller';
import { AuditRepository } from './audit.repository';
import { AuditService } from './audit.service';

@Module({
  controllers: [AuditApiController, AuditPagesController],
  providers: [AuditRepository, AuditService],
  exports: [AuditService],
})
export class AuditModule {}
