import { Injectable } from '@nestjs/common';
import type { ClientRow } from '../database/entities/identity.entities';
import type { Sql } from '../database/sql';

/** What an agent told about its machine. */
export interface Machine {
  hostName: string | null;
  platform: string | null;
  agentVersion: string | null;
}

export interface NewClient extends Machine {
  id: string;
  ownerNo: number;
  domainNo: number;
  name: string;
  secretHash: Buffer;
}

/** A client with its owner, as every agent call needs it. */
export type OwnedClient = Pick<
  ClientRow,
  'no' | 'id' | 'owner_no' | 'domain_no' | 'name' | 'secret_hash' | 'state' | 'deleted_at'
> & {
  owner_name: string;
  /** A deleted owner counts as disabled. */
  owner_state: 'active' | 'disabled';
};

/** A whole row, with its owner's name. */
export type ClientWithOwner = ClientRow & { owner_name: string };

export interface Ping {
  readonly hostName: string;
  readonly platform: string;
  readonly osVersion: string | null;
  readonly agentVersion: string;
  /** JSON of ToldByAgent. */
  readonly told: string;
  readonly clockAheadMs: number;
  readonly configSeen: number;
  /** From this ping on. */
  readonly silenceMs: number;
}

const WITH_OWNER = `select c.*, u.username as owner_name from clients c join users u on u.no = c.owner_no
  and u.deleted_at is null`;

@Injectable()
export class ClientsRepository {
  findOwned(sql: Sql, id: string): Promise<OwnedClient | undefined> {
    return sql.get<OwnedClient>(
      `select c.no, c.id, c.owner_no, c.domain_no, c.name, c.secret_hash, c.state, c.deleted_at,
              u.username as owner_name, case when u.deleted_at is null then u.state else 'disabled' end as owner_state
       from clients c join users u on u.no = c.owner_no where c.id = ?`,
      [id],
    );
  }

  /** Also a deleted one; never one whose owner is deleted. `ownerNo`: only of this owner. */
  find(sql: Sql, id: string, ownerNo: number | null): Promise<ClientWithOwner | undefined> {
    const bound = ownerNo === null ? '' : ' and c.owner_no = ?';
    return sql.get(`${WITH_OWNER} where c.id = ?${bound}`, ownerNo === null ? [id] : [id, ownerNo]);
  }

  /** Some hundreds, in no order. */
  listOf(sql: Sql, numbers: readonly number[]): Promise<ClientWithOwner[]> {
    const input = { columns: [{ name: 'client_no', type: 'int' }] as const, rows: numbers.map((no) => [no]) };
    return sql.allWith(
      input,
      `${WITH_OWNER.replace('from clients c', 'from input cross join clients c')} where c.no = input.client_no`,
    );
  }

  /** Of one owner, or all: no more than their numbers. */
  async numbersOf(sql: Sql, ownerNo: number | null): Promise<number[]> {
    const bound = ownerNo === null ? '' : ' where owner_no = ?';
    const rows = await sql.all<{ no: number }>(`select no from clients${bound}`, ownerNo === null ? [] : [ownerNo]);
    return rows.map(({ no }) => no);
  }

  findByName(sql: Sql, ownerNo: number, name: string): Promise<ClientRow | undefined> {
    return sql.get('select * from clients where owner_no = ? and name = ?', [ownerNo, name]);
  }

  lockByName(tx: Sql, ownerNo: number, name: string): Promise<ClientRow | undefined> {
    return tx.get(`select * from clients where owner_no = ? and name = ? ${tx.forUpdate()}`, [ownerNo, name]);
  }

  lock(tx: Sql, no: number): Promise<ClientRow | undefined> {
    return tx.get(`select * from clients where no = ? ${tx.forUpdate()}`, [no]);
  }

  /** False when the owner has a client of this name. */
  async insert(tx: Sql, client: NewClient): Promise<boolean> {
    const { id, ownerNo, domainNo, name, secretHash, hostName, platform, agentVersion } = client;
    const now = await tx.now();
    const { changes } = await tx.run(
      `insert into clients (id, owner_no, domain_no, name, secret_hash, secret_at, state, host_name, platform,
                            agent_version, created_at)
       values (?, ?, ?, ?, ?, ?, 'active', ?, ?, ?, ?) on conflict do nothing`,
      [id, ownerNo, domainNo, name, secretHash, now, hostName, platform, agentVersion, now],
    );
    return changes === 1;
  }

  async reattach(tx: Sql, no: number, client: Machine & { secretHash: Buffer }): Promise<void> {
    await tx.run(
      `update clients set secret_hash = ?, secret_at = ?, host_name = coalesce(?, host_name),
              platform = coalesce(?, platform), agent_version = coalesce(?, agent_version) where no = ?`,
      [client.secretHash, await tx.now(), client.hostName, client.platform, client.agentVersion, no],
    );
  }

  async setSecret(tx: Sql, no: number, secretHash: Buffer): Promise<void> {
    await tx.run('update clients set secret_hash = ?, secret_at = ? where no = ?', [secretHash, await tx.now(), no]);
  }

  async setState(tx: Sql, no: number, state: 'active' | 'revoked'): Promise<void> {
    await tx.run('update clients set state = ? where no = ?', [state, no]);
  }

  /** Codes that would attach this very client are worth nothing from now on. */
  async spendCodes(tx: Sql, no: number): Promise<void> {
    await tx.run('update enrolment_codes set expires_at = 0 where client_no = ? and used_at is null', [no]);
  }

  /** Runs that were asked for and that its agent cannot begin any more. */
  async endQueuedRuns(tx: Sql, no: number): Promise<void> {
    const now = await tx.now();
    await tx.run(
      `update runs set state = 'cancelled', outcome = 'cancelled', ended_at = ?, cancel_requested_at = ?
       where state = 'queued' and task_no in (select t.no from tasks t where t.client_no = ?)`,
      [now, now, no],
    );
  }

  async change(tx: Sql, no: number, { name, labels }: { name: string; labels: string | null }): Promise<void> {
    await tx.run('update clients set name = ?, labels = ? where no = ?', [name, labels, no]);
  }

  async setPreCommands(tx: Sql, no: number, preCommands: string | null): Promise<void> {
    await tx.run('update clients set pre_commands = ? where no = ?', [preCommands, no]);
  }

  async hide(tx: Sql, no: number, { deletedAt, purgeAfter }: { deletedAt: number; purgeAfter: number }): Promise<void> {
    await tx.run('update clients set deleted_at = ?, purge_after = ? where no = ?', [deletedAt, purgeAfter, no]);
  }

  async unhide(tx: Sql, no: number): Promise<void> {
    await tx.run('update clients set deleted_at = null, purge_after = null where no = ?', [no]);
  }

  async markSeen(tx: Sql, no: number): Promise<void> {
    await tx.run('update clients set last_seen_at = ? where no = ?', [await tx.now(), no]);
  }

  /** What the agent is to compare its own with. */
  async ping(tx: Sql, no: number, ping: Ping): Promise<{ configVersion: number; commandSequence: number } | undefined> {
    const now = await tx.now();
    return tx.get(
      `update clients set last_ping_at = ?, last_seen_at = ?, online_until = ?, host_name = ?, platform = ?, os_version = ?,
         agent_version = ?, told = ?, clock_ahead_ms = ?, config_seen = ?
       where no = ? returning config_version as "configVersion", command_seq as "commandSequence"`,
      [
        now,
        now,
        now + ping.silenceMs,
        ping.hostName,
        ping.platform,
        ping.osVersion,
        ping.agentVersion,
        ping.told,
        ping.clockAheadMs,
        ping.configSeen,
        no,
      ],
    );
  }

  /** Raises what waiting polls look at, and the config's version when that changed too; returns the new sequence. */
  async raiseSequence(tx: Sql, no: number, raise: { config: 0 | 1 }): Promise<number> {
    const row = await tx.get<{ sequence: number }>(
      `update clients set command_seq = command_seq + 1, config_version = config_version + ?
       where no = ? returning command_seq as sequence`,
      [raise.config, no],
    );
    if (row === undefined) throw new Error(`client ${no} has gone`);
    return row.sequence;
  }
}
