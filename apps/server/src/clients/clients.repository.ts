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
export type OwnedClient = Pick<ClientRow, 'no' | 'id' | 'owner_no' | 'domain_no' | 'name' | 'secret_hash' | 'state'> & {
  owner_name: string;
  owner_state: 'active' | 'disabled';
};

@Injectable()
export class ClientsRepository {
  findOwned(sql: Sql, id: string): Promise<OwnedClient | undefined> {
    return sql.get<OwnedClient>(
      `select c.no, c.id, c.owner_no, c.domain_no, c.name, c.secret_hash, c.state,
              u.username as owner_name, u.state as owner_state
       from clients c join users u on u.no = c.owner_no where c.id = ?`,
      [id],
    );
  }

  lockByName(tx: Sql, ownerNo: number, name: string): Promise<Pick<ClientRow, 'no' | 'id' | 'state'> | undefined> {
    return tx.get(`select no, id, state from clients where owner_no = ? and name = ? ${tx.forUpdate()}`, [
      ownerNo,
      name,
    ]);
  }

  /** False when the owner has a client of this name. */
  async insert(tx: Sql, client: NewClient): Promise<boolean> {
    const { id, ownerNo, domainNo, name, secretHash, hostName, platform, agentVersion } = client;
    const { changes } = await tx.run(
      `insert into clients (id, owner_no, domain_no, name, secret_hash, state, host_name, platform, agent_version,
                            created_at)
       values (?, ?, ?, ?, ?, 'active', ?, ?, ?, ?) on conflict do nothing`,
      [id, ownerNo, domainNo, name, secretHash, hostName, platform, agentVersion, await tx.now()],
    );
    return changes === 1;
  }

  async reattach(tx: Sql, no: number, client: Machine & { secretHash: Buffer }): Promise<void> {
    await tx.run(
      `update clients set secret_hash = ?, host_name = coalesce(?, host_name), platform = coalesce(?, platform),
              agent_version = coalesce(?, agent_version) where no = ?`,
      [client.secretHash, client.hostName, client.platform, client.agentVersion, no],
    );
  }

  async markSeen(tx: Sql, no: number): Promise<void> {
    await tx.run('update clients set last_seen_at = ? where no = ?', [await tx.now(), no]);
  }
}
