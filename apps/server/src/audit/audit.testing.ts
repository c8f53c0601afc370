import type { Database } from '../database/database';
import { AuditRepository } from './audit.repository';
import { AuditService } from './audit.service';

export function auditOn(database: Database): AuditService {
  return new AuditService(database, new AuditRepository());
}
