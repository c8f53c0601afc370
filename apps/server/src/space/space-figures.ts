import { Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import { ownerBoundOf, type PersonIdentity } from '../users/person-identity';
import { type ClientSpace, type OwnerSpace, type PackSpace, SpaceRepository } from './space.repository';

export type { OwnerSpace };

export interface SpaceFigures {
  readonly packs: readonly PackSpace[];
  /** By client; a client without tasks is not there. */
  readonly clients: ReadonlyMap<string, ClientSpace>;
}

/** How the storage is used, as it is now: from counters that are kept with what they count. */
@Injectable()
export class SpaceFiguresService {
  constructor(
    private readonly database: Database,
    private readonly repository: SpaceRepository,
  ) {}

  /** A `user` finds what is his own. */
  get(person: PersonIdentity): Promise<SpaceFigures> {
    const ownerNo = ownerBoundOf(person);
    return this.database.read(async (sql) => {
      const packs = ownerNo === null ? await this.repository.packs(sql) : [];
      const clients = await this.repository.clients(sql, ownerNo);
      return { packs, clients: new Map(clients.map((client) => [client.clientId, client])) };
    });
  }

  /** By owner; a `user` finds himself alone. */
  owners(person: PersonIdentity): Promise<OwnerSpace[]> {
    return this.database.read((sql) => this.repository.owners(sql, ownerBoundOf(person)));
  }
}
