import { Injectable } from '@nestjs/common';
import { LOG_LEVELS, type LogAnswer, type LogLevel, type LogRequest, type LogsAnswer, type LogsQuery } from '#common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { lookBack } from '../database/look-back';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { ownerBoundOf, type PersonIdentity } from '../users/person-identity';
import { LogsRepository, type NewLogLine } from './logs.repository';

const PAGE_LINES = 200;
const DAY_MS = 86_400_000;
const PRUNED_AT_ONCE = 5_000;
/** An agent that talks without end pushes out its own lines, not others', and fills no disk. */
const MAX_LINES_PER_CLIENT = 200_000;
const MAX_BYTES_PER_CLIENT = 32 * 1024 * 1024;
/** Below which its oldest lines are removed then: not some with each batch. */
const KEPT_BYTES_PER_CLIENT = 28 * 1024 * 1024;
const EVICTED_AT_ONCE = 2_000;

/** What is asked for of all clients' lines. Empty texts: whatever. */
export interface FleetLogChoice {
  readonly level: LogLevel;
  /** In the message, in whatever case. */
  readonly search: string;
  /** In the client's name likewise. */
  readonly client: string;
  /** `next` of the page before. */
  readonly before: number | null;
}

export interface FleetLogLine {
  readonly receivedMs: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly clientId: string;
  readonly client: string;
}

/** What agents say, kept for LOG_RETENTION_DAYS. */
@Injectable()
export class LogsService {
  constructor(
    private readonly database: Database,
    private readonly logs: LogsRepository,
    private readonly settings: ServerSettings,
  ) {}

  /** Idempotent by spool and sequence. A gap in the numbers is written down: lines that the agent's spool lost. */
  async append(clientNo: number, request: LogRequest): Promise<LogAnswer> {
    const { spoolId, firstSequence, lines } = request;
    return this.database.write('logs.change', async (tx) => {
      const place = await this.logs.lockPlace(tx, clientNo);
      if (place === undefined) throw new DomainError('not-found', 'The client is gone.');
      const known = place.spool === spoolId ? place.sequence : 0;
      const fresh = lines.slice(Math.max(0, known + 1 - firstSequence));
      if (fresh.length === 0) return { nextSequence: known + 1 };
      const lost = Math.max(0, firstSequence - known - 1);
      const lossLines = lost === 0 ? [] : [lossOf(lost, fresh[0]?.timeMs ?? 0)];
      const rows = fresh.map(({ timeMs, level, message, runId }) => ({
        at: timeMs,
        level: LOG_LEVELS.indexOf(level),
        message,
        runId: runId ?? null,
      }));
      const added = await this.logs.insert(tx, clientNo, [...lossLines, ...rows]);
      const sequence = firstSequence + lines.length - 1;
      const bytes = await this.evict(tx, clientNo, place.bytes + added);
      await this.logs.setPlace(tx, clientNo, { spool: spoolId, sequence, bytes });
      return { nextSequence: sequence + 1 };
    });
  }

  /** Removes the client's oldest lines when it has too many bytes of them; returns how many bytes are left. */
  private async evict(tx: Sql, clientNo: number, stored: number): Promise<number> {
    if (stored <= MAX_BYTES_PER_CLIENT) return stored;
    let bytes = stored;
    while (bytes > KEPT_BYTES_PER_CLIENT) {
      let upTo = 0;
      let freed = 0;
      for (const line of await this.logs.oldestOf(tx, clientNo, EVICTED_AT_ONCE)) {
        if (bytes - freed <= KEPT_BYTES_PER_CLIENT) break;
        upTo = line.no;
        freed += line.bytes;
      }
      // The account said more than there is.
      if (upTo === 0) return 0;
      bytes -= await this.logs.removeOfClient(tx, clientNo, upTo);
    }
    return bytes;
  }

  async list(clientNo: number, query: LogsQuery): Promise<LogsAnswer> {
    const limit = query.limit ?? PAGE_LINES;
    const rows = await this.database.read((sql) =>
      this.logs.list(sql, clientNo, {
        level: LOG_LEVELS.indexOf(query.level ?? 'debug'),
        search: query.search ?? null,
        runId: query.runId ?? null,
        before: query.cursor ?? null,
        limit: limit + 1,
      }),
    );
    const page = rows.slice(0, limit);
    return {
      lines: page.map(({ at, receivedAt, level, message, runId }) => ({
        timeMs: at,
        receivedMs: receivedAt,
        level: LOG_LEVELS[level] ?? 'info',
        message,
        runId,
      })),
      next: rows.length > limit ? (page.at(-1)?.no ?? null) : null,
    };
  }

  /** Of all clients that the person may see, newest first, as they came. `next`: where to go on. */
  async listAll(
    person: PersonIdentity,
    choice: FleetLogChoice,
  ): Promise<{ lines: FleetLogLine[]; next: number | null }> {
    const scope = { ownerNo: ownerBoundOf(person), client: choice.client };
    const filter = { level: LOG_LEVELS.indexOf(choice.level), search: choice.search };
    const { rows, next } = await this.database.read((sql) =>
      lookBack({
        ...{ before: choice.before, limit: PAGE_LINES },
        highest: (before) => this.logs.highest(sql, scope, before),
        rows: (range) => this.logs.range(sql, scope, { ...filter, ...range }),
      }),
    );
    const lines = rows.map(({ receivedAt, level, message, clientId, client }) => {
      return { ...{ receivedMs: receivedAt, message, clientId, client }, level: LOG_LEVELS[level] ?? 'info' };
    });
    return { lines, next };
  }

  /** Removes what was kept long enough, a slice at a time. */
  async prune(): Promise<void> {
    const cutoff = (await this.database.now()) - this.settings.logRetentionDays * DAY_MS;
    for (;;) {
      const oldest = await this.database.read((sql) => this.logs.oldest(sql, PRUNED_AT_ONCE));
      // Numbers rise with the time of arrival: behind the first that stays, all stay.
      const expired = oldest.filter(({ receivedAt }) => receivedAt < cutoff);
      const last = expired.at(-1);
      if (last !== undefined) {
        await this.database.write('logs.change', (tx) => this.logs.removeUpTo(tx, last.no, cutoff));
      }
      if (expired.length < PRUNED_AT_ONCE) break;
    }
    const overfull = await this.database.read((sql) => this.logs.overfull(sql, MAX_LINES_PER_CLIENT));
    for (const { clientNo, upTo } of overfull) {
      await this.database.write('logs.change', async (tx) => {
        await this.logs.subtract(tx, clientNo, await this.logs.removeOfClient(tx, clientNo, upTo));
      });
    }
  }
}

function lossOf(count: number, at: number): NewLogLine {
  const message = `${count} earlier log lines were lost: the agent's spool was full while the server was away`;
  return { at, level: LOG_LEVELS.indexOf('warn'), message, runId: null };
}
