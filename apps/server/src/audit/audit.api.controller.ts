import { Controller, Get, Query } from '@nestjs/common';
import { API, AuditQuery, type AuditAnswer } from '#common';
import { ForPeople } from '../auth/access';
import { AuditService } from './audit.service';

@Controller()
export class AuditApiController {
  constructor(private readonly audit: AuditService) {}

  @ForPeople('see-audit')
  @Get(API.audit)
  list(@Query() query: AuditQuery): Promise<AuditAnswer> {
    return this.audit.list(query);
  }
}
