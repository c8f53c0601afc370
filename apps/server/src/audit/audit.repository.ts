import { Injectable } from '@nestjs/common';
import type { AuditEventRow } from '../database/entities/fleet.entities';
import type { Sql, Value } from '../database/sql';
import { beginsWithText, holdsText } from '../database/text-search';

export type NewAuditEvent = Omit<AuditEventRow, 'no' | 'at'>;

export interface AuditFilter {
  readonly targetId: string | null;
  readonly action: string | null;
  readonly before: number | null;
  readonly limit: number;
}

/** Texts that the event begins with (its action) or holds (who did it, or to what, or from where), in whatever case; empty: whatever. */
export interface AuditWords {
  readonly action: string;
  readonly who: string;
  readonly target: string;
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

  /** The oldest events, in the order in which they were written. */
  oldest(sql: Sql, limit: number): Promise<{ no: number; at: number }[]> {
    return sql.all('select no, at from audit_events order by no limit ?', [limit]);
  }

  async removeUpTo(tx: Sql, no: number, before: number): Promise<void> {
    await tx.run('delete from audit_events where no <= ? and at < ?', [no, before]);
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

  /** The number of the newest event, below `before` when it is one. */
  async highest(sql: Sql, before: number | null): Promise<number | null> {
    const row = await sql.get<{ no: number | null }>(
      `select max(no) as no from audit_events ${before === null ? '' : 'where no < ?'}`,
      before === null ? [] : [before],
    );
    return row?.no ?? null;
  }

  /** Events with `above < no <= upTo`, newest first. */
  range(
    sql: Sql,
    { action, who, target }: AuditWords,
    { above, upTo, limit }: { above: number; upTo: number; limit: number },
  ): Promise<AuditEventRow[]> {
    const conditions = ['no > ?', 'no <= ?'];
    const params: Value[] = [above, upTo];
    const add = ({ condition, params: texts }: ReturnType<typeof holdsText>): void => {
      conditions.push(condition);
      params.push(...texts);
    };
    if (action !== '') add(beginsWithText(sql, 'action', action));
    if (who !== '') add(holdsText(sql, ['actor_name', 'actor_id', 'address'], who));
    if (target !== '') add(holdsText(sql, ['target_name', 'target_id'], target));
    return sql.all(`select * from audit_events where ${conditions.join(' and ')} order by no desc limit ?`, [
      ...params,
      limit,
    ]);
  }
}
