import { Injectable } from '@nestjs/common';
import type { Column, Sql, Value } from '../database/sql';

export interface NewLogLine {
  readonly at: number;
  readonly level: number;
  readonly message: string;
  readonly runId: string | null;
}

export interface LogRow extends NewLogLine {
  readonly no: number;
  readonly receivedAt: number;
}

export interface LogFilter {
  readonly level: number;
  readonly search: string | null;
  readonly runId: string | null;
  readonly before: number | null;
  readonly limit: number;
}

const COLUMNS: readonly Column[] = [
  { name: 'client_no', type: 'int' },
  { name: 'at', type: 'int' },
  { name: 'received_at', type: 'int' },
  { name: 'level', type: 'int' },
  { name: 'message', type: 'text' },
  { name: 'run_id', type: 'text' },
];

@Injectable()
export class LogsRepository {
  /** Where the client's log stands; held until the transaction ends. */
  lockPlace(tx: Sql, clientNo: number): Promise<{ spool: string | null; sequence: number } | undefined> {
    return tx.get(`select log_spool as spool, log_seq as sequence from clients where no = ? ${tx.forUpdate()}`, [
      clientNo,
    ]);
  }

  async setPlace(tx: Sql, clientNo: number, place: { spool: string; sequence: number }): Promise<void> {
    await tx.run('update clients set log_spool = ?, log_seq = ? where no = ?', [place.spool, place.sequence, clientNo]);
  }

  async insert(tx: Sql, clientNo: number, lines: readonly NewLogLine[]): Promise<void> {
    const now = await tx.now();
    const rows = lines.map(({ at, level, message, runId }) => [clientNo, at, now, level, message, runId]);
    await tx.insertMany('client_logs', COLUMNS, rows);
  }

  /** Newest first, as they came. */
  list(sql: Sql, clientNo: number, filter: LogFilter): Promise<LogRow[]> {
    const conditions = ['client_no = ?', 'level >= ?'];
    const params: Value[] = [clientNo, filter.level];
    if (filter.runId !== null) {
      conditions.push('run_id = ?');
      params.push(filter.runId);
    }
    if (filter.before !== null) {
      conditions.push('no < ?');
      params.push(filter.before);
    }
    if (filter.search !== null) {
      conditions.push(`lower(message) like ? escape '\\'`);
      params.push(`%${filter.search.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`);
    }
    return sql.all<LogRow>(
      `select no, at, received_at as "receivedAt", level, message, run_id as "runId" from client_logs
       where ${conditions.join(' and ')} order by no desc limit ?`,
      [...params, filter.limit],
    );
  }

  /** The oldest lines of all clients, in the order in which they came. */
  oldest(sql: Sql, limit: number): Promise<{ no: number; receivedAt: number }[]> {
    return sql.all('select no, received_at as "receivedAt" from client_logs order by no limit ?', [limit]);
  }

  async removeUpTo(tx: Sql, no: number, receivedBefore: number): Promise<void> {
    await tx.run('delete from client_logs where no <= ? and received_at < ?', [no, receivedBefore]);
  }

  /** Clients with more lines than `kept`, and the number of the newest line that is too many. */
  overfull(sql: Sql, kept: number): Promise<{ clientNo: number; upTo: number }[]> {
    return sql.all(
      `select c.client_no as "clientNo", (select l.no from client_logs l where l.client_no = c.client_no
         order by l.no desc limit 1 offset ?) as "upTo"
       from (select client_no from client_logs group by client_no having count(*) > ?) c`,
      [kept, kept],
    );
  }

  async removeOfClient(tx: Sql, clientNo: number, upTo: number): Promise<void> {
    await tx.run('delete from client_logs where client_no = ? and no <= ?', [clientNo, upTo]);
  }
}
