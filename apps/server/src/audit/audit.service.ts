import { Injectable } from '@nestjs/common';
import type { AuditAnswer, AuditQuery } from '#common';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import type { AuditEventRow } from '../database/entities/fleet.entities';
import { lookBack } from '../database/look-back';
import type { Actor } from './actor';
import { AuditRepository, type AuditWords } from './audit.repository';

export interface AuditedChange {
  /** `users.create`, `tasks.change`... */
  readonly action: string;
  readonly target?: {
    readonly kind: 'user' | 'client' | 'task' | 'run' | 'token' | 'code';
    readonly id: string;
    readonly name: string | null;
  };
  /** No secret, no content. */
  readonly details?: Record<string, unknown>;
}

type AuditEvent = AuditAnswer['events'][number];

const PAGE_EVENTS = 200;
/** Changes of what config exports tell: whoever writes them down tells of them. */
const CONFIG_CHANGE = /^(users|clients|tasks|tokens|retention|pins)\./;
/** Of the details' JSON; longer ones are cut to say so. */
const MAX_DETAIL_CHARACTERS = 64 * 1024;

/** Who did what. An event is written in the transaction of its change: neither is there without the other. */
@Injectable()
export class AuditService {
  constructor(
    private readonly database: Database,
    private readonly events: AuditRepository,
  ) {}

  async record(tx: Sql, actor: Actor, { action, target, details }: AuditedChange): Promise<void> {
    await this.events.insert(tx, {
      actor_kind: actor.kind,
      actor_id: actor.id,
      actor_name: actor.name,
      address: actor.address,
      action,
      target_kind: target?.kind ?? null,
      target_id: target?.id ?? null,
      target_name: target?.name ?? null,
      details: details === undefined ? null : textOf(details),
    });
    if (CONFIG_CHANGE.test(action)) await tx.notify('config', action);
  }

  /** An event that changes nothing else: a failed sign-in, a download. */
  async recordAlone(actor: Actor, change: AuditedChange): Promise<void> {
    await this.database.write('audit.append', (tx) => this.record(tx, actor, change));
  }

  /** Newest first. */
  async list(query: AuditQuery): Promise<AuditAnswer> {
    const limit = query.limit ?? PAGE_EVENTS;
    const filter = { targetId: query.targetId ?? null, action: query.action ?? null, before: query.cursor ?? null };
    const rows = await this.database.read((sql) => this.events.list(sql, { ...filter, limit: limit + 1 }));
    const page = rows.slice(0, limit);
    return {
      events: page.map(eventOf),
      next: rows.length > limit ? (page.at(-1)?.no ?? null) : null,
    };
  }

  /** Newest first. `next`: where to go on. */
  async search(words: AuditWords, before: number | null): Promise<AuditAnswer> {
    const { rows, next } = await this.database.read((sql) =>
      lookBack({
        ...{ before, limit: PAGE_EVENTS },
        highest: (place) => this.events.highest(sql, place),
        rows: (range) => this.events.range(sql, words, range),
      }),
    );
    return { events: rows.map(eventOf), next };
  }
}

function eventOf(row: AuditEventRow): AuditEvent {
  return {
    id: row.no,
    atMs: row.at,
    actor: { kind: row.actor_kind, id: row.actor_id, name: row.actor_name, address: row.address },
    action: row.action,
    target: row.target_kind === null ? null : { kind: row.target_kind, id: row.target_id, name: row.target_name },
    details: row.details === null ? null : (JSON.parse(row.details) as Record<string, unknown>),
  };
}

function textOf(details: Record<string, unknown>): string {
  const text = JSON.stringify(details);
  if (text.length <= MAX_DETAIL_CHARACTERS) return text;
  return JSON.stringify({ isTooLong: true, start: text.slice(0, MAX_DETAIL_CHARACTERS / 2) });
}
