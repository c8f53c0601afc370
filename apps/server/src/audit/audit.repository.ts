import { Injectable } from '@nestjs/common';
import type { AuditEventRow } from '../database/entities/fleet.entities';
import type { Sql, Value } from '../database/sql';

export type NewAuditEvent = Omit<AuditEventRow, 'no' | 'at'>;

export interface AuditFilter {
  readonly targetId: string | null;
  readonly action: string | null;
  readonly before: number | null;
  readonly limit: number;
}

@Injectable()
export class AuditRepository {
  async insert(tx: Sql, event: NewAuditEvent): Promise<void> {
    await tx.run(
      `insert into audit_events (at, actor_kind, actor_id, actor_name, address, action, target_kind, target_id,
         target_name, details)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [
        await tx.now(),
        event.actor_kind,
        event.actor_id,
        event.actor_name,
        event.address,
        event.action,
        event.target_kind,
        event.target_id,
        event.target_name,
        event.details,
      ],
    );
  }

  /** Newest first. */
  list(sql: Sql, { targetId, action, before, limit }: AuditFilter): Promise<AuditEventRow[]> {
    const conditions: string[] = [];
    const params: Value[] = [];
    const bound = (condition: string, value: Value | null): void => {
      if (value === null) return;
      conditions.push(condition);
      params.push(value);
    };
    bound('target_id = ?', targetId);
    bound('action = ?', action);
    bound('no < ?', before);
    const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
    return sql.all(`select * from audit_events ${where} order by no desc limit ?`, [...params, limit]);
  }
}
