import { Injectable } from '@nestjs/common';
import type { Column, Sql, Value } from '../database/sql';
import { holdsText } from '../database/text-search';

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

/** A line of whichever client. */
export interface FleetLogRow {
  readonly no: number;
  readonly receivedAt: number;
  readonly level: number;
  readonly message: string;
  readonly clientId: string;
  readonly client: string;
}

/** Clients: those of an owner, or everybody's, whose name holds a text. */
export interface LogScope {
  readonly ownerNo: number | null;
  readonly client: string;
}

/** Where a client's log stands. */
export interface LogPlace {
  readonly spool: string | null;
  readonly sequence: number;
  /** All that is stored of it. */
  readonly bytes: number;
}

interface RemovedLine {
  readonly clientNo: number;
  readonly bytes: number;
}

/** Of a row and its place in the index, beside its text. */
const LINE_BYTES = 64;
const BYTES = `octet_length(message) + ${LINE_BYTES}`;

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
  lockPlace(tx: Sql, clientNo: number): Promise<LogPlace | undefined> {
    return tx.get(
      `select log_spool as spool, log_seq as sequence, log_bytes as bytes from clients where no = ? ${tx.forUpdate()}`,
      [clientNo],
    );
  }

  async setPlace(tx: Sql, clientNo: number, { spool, sequence, bytes }: LogPlace): Promise<void> {
    await tx.run('update clients set log_spool = ?, log_seq = ?, log_bytes = ? where no = ?', [
      spool,
      sequence,
      bytes,
      clientNo,
    ]);
  }

  /** Returns what they take. */
  async insert(tx: Sql, clientNo: number, lines: readonly NewLogLine[]): Promise<number> {
    const now = await tx.now();
    const rows = lines.map(({ at, level, message, runId }) => [clientNo, at, now, level, message, runId]);
    await tx.insertMany('client_logs', COLUMNS, rows);
    return sum(lines.map(({ message }) => ({ bytes: Buffer.byteLength(message) + LINE_BYTES })));
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
      const { condition, params: texts } = holdsText(sql, ['message'], filter.search);
      conditions.push(condition);
      params.push(...texts);
    }
    return sql.all<LogRow>(
      `select no, at, received_at as "receivedAt", level, message, run_id as "runId" from client_logs
       where ${conditions.join(' and ')} order by no desc limit ?`,
      [...params, filter.limit],
    );
  }

  /** The number of the newest line of these clients, below `before` when it is one. A look into the index for each client. */
  async highest(sql: Sql, scope: LogScope, before: number | null): Promise<number | null> {
    const [where, params] = clientsOf(sql, scope);
    const bound = before === null ? '' : 'and l.no < ?';
    const row = await sql.get<{ no: number | null }>(
      where === ''
        ? `select max(l.no) as no from client_logs l where 1 = 1 ${bound}`
        : `select max((select max(l.no) from client_logs l where l.client_no = c.no ${bound})) as no
           from clients c where ${where}`,
      before === null ? params : [before, ...params],
    );
    return row?.no ?? null;
  }

  /** Lines of these clients with `above < no <= upTo`, newest first. */
  range(
    sql: Sql,
    scope: LogScope,
    filter: { level: number; search: string; above: number; upTo: number; limit: number },
  ): Promise<FleetLogRow[]> {
    const [where, params] = clientsOf(sql, scope);
    const search = filter.search === '' ? null : holdsText(sql, ['l.message'], filter.search);
    return sql.all<FleetLogRow>(
      `select l.no, l.received_at as "receivedAt", l.level, l.message, c.id as "clientId", c.name as client
       from client_logs l join clients c on c.no = l.client_no
       where l.no > ? and l.no <= ? and l.level >= ? ${search === null ? '' : `and ${search.condition}`} ${where === '' ? '' : `and ${where}`}
       order by l.no desc limit ?`,
      [...[filter.above, filter.upTo, filter.level], ...(search?.params ?? []), ...[...params, filter.limit]],
    );
  }

  /** The oldest lines of all clients, in the order in which they came. */
  oldest(sql: Sql, limit: number): Promise<{ no: number; receivedAt: number }[]> {
    return sql.all('select no, received_at as "receivedAt" from client_logs order by no limit ?', [limit]);
  }

  async removeUpTo(tx: Sql, no: number, receivedBefore: number): Promise<void> {
    const removed = await tx.all<RemovedLine>(
      `delete from client_logs where no <= ? and received_at < ? returning client_no as "clientNo", ${BYTES} as bytes`,
      [no, receivedBefore],
    );
    const ofClients = Map.groupBy(removed, ({ clientNo }) => clientNo);
    // In one order, so that two of these never wait for each other.
    for (const clientNo of [...ofClients.keys()].sort((a, b) => a - b)) {
      await this.subtract(tx, clientNo, sum(ofClients.get(clientNo) ?? []));
    }
  }

  /** The client's oldest lines, with what they take. */
  oldestOf(tx: Sql, clientNo: number, limit: number): Promise<{ no: number; bytes: number }[]> {
    return tx.all(`select no, ${BYTES} as bytes from client_logs where client_no = ? order by no limit ?`, [
      clientNo,
      limit,
    ]);
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

  /** Returns how many bytes they took; the caller settles the client's account, or {@link subtract} does. */
  async removeOfClient(tx: Sql, clientNo: number, upTo: number): Promise<number> {
    const removed = await tx.all<{ bytes: number }>(
      `delete from client_logs where client_no = ? and no <= ? returning ${BYTES} as bytes`,
      [clientNo, upTo],
    );
    return sum(removed);
  }

  async subtract(tx: Sql, clientNo: number, bytes: number): Promise<void> {
    await tx.run('update clients set log_bytes = case when log_bytes > ? then log_bytes - ? else 0 end where no = ?', [
      bytes,
      bytes,
      clientNo,
    ]);
  }
}

function clientsOf(sql: Sql, { ownerNo, client }: LogScope): [where: string, params: Value[]] {
  const named = client === '' ? null : holdsText(sql, ['c.name'], client);
  const conditions = [...(ownerNo === null ? [] : ['c.owner_no = ?']), ...(named === null ? [] : [named.condition])];
  return [conditions.join(' and '), [...(ownerNo === null ? [] : [ownerNo]), ...(named?.params ?? [])]];
}

function sum(rows: readonly { readonly bytes: number }[]): number {
  return rows.reduce((total, { bytes }) => total + bytes, 0);
}
