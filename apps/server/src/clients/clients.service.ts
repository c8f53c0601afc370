import { Injectable } from '@nestjs/common';
import type { ClientAnswer, RegisterClientAnswer, RegisterClientRequest } from '#common';
import { actorOf } from '../audit/actor';
import { FreshSignIn } from '../auth/fresh-sign-in';
import type { Caller } from '../auth/request-identity';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { UuidPipe } from '../http/uuid.pipe';
import { ownerBoundOf, type PersonIdentity } from '../users/person-identity';
import { UsersService, type User } from '../users/users.service';
import { ClientEnrolment } from './client-enrolment';
import { isSecretOf, newClientSecret } from './client-secret';
import { ClientsRepository, type ClientWithOwner, type OwnedClient } from './clients.repository';

export type { ClientWithOwner };

@Injectable()
export class ClientsService {
  constructor(
    private readonly database: Database,
    private readonly clients: ClientsRepository,
    private readonly users: UsersService,
    private readonly enrolment: ClientEnrolment,
    private readonly freshSignIn: FreshSignIn,
  ) {}

  /**
   * Enrols a machine. A name that the owner has in use is attached again: same client, same backups, new secret; the old
   * secret and the tokens it was traded for end at once. As a secret reads all that the client ever backed up, that needs a fresh
   * sign-in, and an API token enrols new names only. Throws `forbidden` for another's name without being an admin.
   */
  async register(person: PersonIdentity, request: RegisterClientRequest): Promise<RegisterClientAnswer> {
    const secret = request.secret ?? newClientSecret();
    const clientId = await this.database.write('clients.register', async (tx) => {
      const owner = await this.ownerFor(tx, person, request.username);
      const { name } = request;
      const enrolment = { actor: actorOf(person), owner, name, machine: machineOf(request), secret };
      const reattach =
        person.scopes === null
          ? {
              assertMayReattach: () => {
                this.freshSignIn.assert(person, 'Attaching a client that has backups');
              },
            }
          : 'refused';
      return (await this.enrolment.attach(tx, { ...enrolment, reattach })).id;
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
    try {
      await this.database.write('clients.seen', (tx) => this.clients.markSeen(tx, client.no));
    } catch (error) {
      // Restores go on with a full disk.
      if (!(error instanceof DomainError && error.code === 'storage-full')) throw error;
    }
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

  /**
   * The client that a call is about, by right: an agent's own (`me`, or its id), a person's own, an admin's or viewer's
   * any. Whatever else is `not-found`: the answer does not tell whether it exists. A deleted one is found too.
   */
  async get(caller: Caller, id: string): Promise<ClientWithOwner> {
    const isMe = caller.kind === 'agent' && id === 'me';
    const wanted = isMe ? caller.agent.clientId : new UuidPipe().transform(id);
    if (caller.kind === 'agent' && wanted !== caller.agent.clientId) throw noClient();
    const bound = caller.kind === 'agent' ? null : ownerBoundOf(caller.person);
    const client = await this.database.read((sql) => this.clients.find(sql, wanted, bound));
    if (client === undefined) throw noClient();
    return client;
  }

  /** {@link get}, of a client that is not deleted. */
  async getPresent(caller: Caller, id: string): Promise<ClientWithOwner> {
    const client = await this.get(caller, id);
    if (client.deleted_at !== null) throw new DomainError('conflict', 'This client is deleted; bring it back first.');
    return client;
  }

  /** Some hundreds, in no order. By right no more: whoever asks knows the numbers from what he may see. */
  listOf(sql: Sql, numbers: readonly number[]): Promise<ClientWithOwner[]> {
    return this.clients.listOf(sql, numbers);
  }

  /** Numbers of all that a person may know of. */
  numbersOf(person: PersonIdentity): Promise<number[]> {
    return this.database.read((sql) => this.clients.numbersOf(sql, ownerBoundOf(person)));
  }

  /** Whether the owner has a client of this name, or had one that is only hidden; null: neither. Throws as `register` does. */
  findNamed(
    person: PersonIdentity,
    { username, name }: { username: string; name: string },
  ): Promise<'present' | 'deleted' | null> {
    return this.database.read(async (sql) => {
      const owner = await this.ownerFor(sql, person, username);
      const client = await this.clients.findByName(sql, owner.no, name.normalize('NFC'));
      if (client === undefined) return null;
      return client.deleted_at === null ? 'present' : 'deleted';
    });
  }

  /** Owner of what a person enrols: himself, or for an admin whom he names. */
  async ownerFor(tx: Sql, person: PersonIdentity, username: string | undefined): Promise<User> {
    if (username === undefined) return this.users.getByUsername(tx, person.username);
    if (person.role === 'admin') return this.users.getByUsername(tx, username);
    // Decided by a look at the caller alone: whether another user exists is none of his business.
    if (username.normalize('NFC').toLowerCase() === person.username.toLowerCase()) {
      return this.users.getByUsername(tx, person.username);
    }
    throw new DomainError('forbidden', 'Only an admin enrols a client for somebody else.');
  }
}

export function machineOf(request: { hostName?: string; platform?: string; agentVersion?: string }): {
  hostName: string | null;
  platform: string | null;
  agentVersion: string | null;
} {
  const { hostName, platform, agentVersion } = request;
  return { hostName: hostName ?? null, platform: platform ?? null, agentVersion: agentVersion ?? null };
}

function noClient(): DomainError {
  return new DomainError('not-found', 'There is no client of this id.');
}

function assertActive(client: OwnedClient): void {
  if (client.state === 'revoked') throw new DomainError('client-revoked', 'This client was revoked.');
  if (client.deleted_at !== null) throw new DomainError('client-revoked', 'This client was deleted on the server.');
  if (client.owner_state !== 'active') {
    throw new DomainError('forbidden', 'The account that this client belongs to is disabled.');
  }
}
