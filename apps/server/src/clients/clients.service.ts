import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { ClientAnswer, RegisterClientAnswer, RegisterClientRequest } from '#common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { DomainsService } from '../users/domains.service';
import type { PersonIdentity } from '../users/person-identity';
import { UsersService, type User } from '../users/users.service';
import { clientSecretHash, isSecretOf, newClientSecret } from './client-secret';
import { ClientsRepository, type OwnedClient } from './clients.repository';

@Injectable()
export class ClientsService {
  constructor(
    private readonly database: Database,
    private readonly clients: ClientsRepository,
    private readonly users: UsersService,
    private readonly domains: DomainsService,
    private readonly settings: ServerSettings,
  ) {}

  /**
   * Enrols a machine. A name that the owner has in use is attached again: same client, same backups, new secret; the old
   * secret and the tokens it was traded for end at once. Throws `forbidden` for another's name without being an admin.
   */
  async register(person: PersonIdentity, request: RegisterClientRequest): Promise<RegisterClientAnswer> {
    const secret = newClientSecret();
    const clientId = await this.database.write('clients.register', async (tx) => {
      const owner = await this.ownerFor(tx, person, request.username);
      return this.attach(tx, owner, { request, secretHash: clientSecretHash(secret) });
    });
    return { clientId, secret };
  }

  /** The client whose secret this is. Throws `unauthenticated`, and `client-revoked` to its bearer only. */
  async authenticate(clientId: string, secret: string): Promise<OwnedClient> {
    const client = await this.database.read((sql) => this.clients.findOwned(sql, clientId));
    if (client === undefined || !isSecretOf(client.secret_hash, secret)) {
      throw new DomainError('unauthenticated', 'Unknown client, or not its secret. Enrol this machine again.');
    }
    assertActive(client);
    await this.database.write('clients.seen', (tx) => this.clients.markSeen(tx, client.no));
    return client;
  }

  /** For the bearer of a token: `undefined` when the client is gone; throws `client-revoked` or `forbidden`. */
  async findActive(clientId: string): Promise<OwnedClient | undefined> {
    const client = await this.database.read((sql) => this.clients.findOwned(sql, clientId));
    if (client !== undefined) assertActive(client);
    return client;
  }

  async describe(clientId: string): Promise<ClientAnswer> {
    const client = await this.database.read((sql) => this.clients.findOwned(sql, clientId));
    if (client === undefined) throw new DomainError('not-found', 'The client is gone.');
    return { id: client.id, name: client.name, owner: client.owner_name };
  }

  private async ownerFor(tx: Sql, person: PersonIdentity, username: string | undefined): Promise<User> {
    if (username === undefined) return this.users.getByUsername(tx, person.username);
    if (person.role === 'admin') return this.users.getByUsername(tx, username);
    // Decided by a look at the caller alone: whether another user exists is none of his business.
    if (username.normalize('NFC').toLowerCase() === person.username.toLowerCase()) {
      return this.users.getByUsername(tx, person.username);
    }
    throw new DomainError('forbidden', 'Only an admin enrols a client for somebody else.');
  }

  private async attach(
    tx: Sql,
    owner: User,
    { request, secretHash }: { request: RegisterClientRequest; secretHash: Buffer },
  ): Promise<string> {
    const name = request.name.normalize('NFC');
    const machine = {
      hostName: request.hostName ?? null,
      platform: request.platform ?? null,
      agentVersion: request.agentVersion ?? null,
    };
    let existing = await this.clients.lockByName(tx, owner.no, name);
    if (existing === undefined) {
      const id = randomUUID();
      const domainNo = this.settings.dedupScope === 'client' ? await this.domains.open(tx) : owner.domain_no;
      const client = { id, ownerNo: owner.no, domainNo, name, secretHash, ...machine };
      if (await this.clients.insert(tx, client)) return id;
      // Another request was faster; its row is committed, or the insert would still wait.
      existing = await this.clients.lockByName(tx, owner.no, name);
    }
    if (existing === undefined) throw new DomainError('unavailable', 'The client was removed just now; try again.');
    if (existing.state === 'revoked') {
      throw new DomainError('client-revoked', 'A client of this name was revoked; enrol under another name.');
    }
    await this.clients.reattach(tx, existing.no, { secretHash, ...machine });
    return existing.id;
  }
}

function assertActive(client: OwnedClient): void {
  if (client.state === 'revoked') throw new DomainError('client-revoked', 'This client was revoked by an admin.');
  if (client.owner_state !== 'active') {
    throw new DomainError('forbidden', 'The account that this client belongs to is disabled.');
  }
}
