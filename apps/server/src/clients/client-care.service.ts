import { Injectable } from '@nestjs/common';
import type { ChangeClientRequest, CommandSpec, RegisterClientAnswer } from '#common';
import { type Actor, actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { SettledConfig } from '../config-export/settled-config';
import { Database } from '../database/database';
import type { ClientRow } from '../database/entities/identity.entities';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { assertNewName } from '../http/new-name';
import { ProtectWindow } from '../retention/protect-window';
import type { PersonIdentity } from '../users/person-identity';
import { clientSecretHash, newClientSecret } from './client-secret';
import { ClientSignals } from './client-signals';
import { ClientsRepository } from './clients.repository';

/** As JSON; see MAX_DEFINITION_BYTES of tasks. */
const MAX_COMMANDS_BYTES = 256 * 1024;

interface Change {
  readonly actor: Actor;
  readonly action: string;
  /** For the audit. */
  readonly details?: Record<string, unknown>;
}

/** Changes of clients by who may; all are told to the agent at once, and written down. */
@Injectable()
export class ClientCareService {
  constructor(
    private readonly database: Database,
    private readonly clients: ClientsRepository,
    private readonly signals: ClientSignals,
    private readonly audit: AuditService,
    private readonly window: ProtectWindow,
    private readonly config: SettledConfig,
    private readonly freshSignIn: FreshSignIn,
  ) {}

  /** Throws `name-taken`. */
  async change(person: PersonIdentity, clientNo: number, request: ChangeClientRequest): Promise<void> {
    await this.write(clientNo, async (tx, client) => {
      const name = request.name?.normalize('NFC') ?? client.name;
      if (name !== client.name) assertNewName(name);
      const namesake = await this.clients.lockByName(tx, client.owner_no, name);
      if (namesake !== undefined && namesake.no !== client.no) {
        throw new DomainError('name-taken', 'The owner has, or had, a client of this name already.');
      }
      const labels = request.labels ? JSON.stringify(request.labels) : client.labels;
      await this.clients.change(tx, clientNo, { name, labels });
      const details = {
        ...(name !== client.name && { name: { from: client.name, to: name } }),
        labels: request.labels,
      };
      return { actor: actorOf(person), action: 'clients.change', details };
    });
  }

  /** Client-wide commands of the server. */
  async setPreCommands(person: PersonIdentity, clientNo: number, commands: readonly CommandSpec[]): Promise<void> {
    const after = commands.length === 0 ? null : JSON.stringify(commands);
    if (Buffer.byteLength(after ?? '') > MAX_COMMANDS_BYTES) {
      throw new DomainError('too-large', `The commands of a client have at most ${MAX_COMMANDS_BYTES} bytes together.`);
    }
    await this.write(clientNo, async (tx, client) => {
      await this.clients.setPreCommands(tx, clientNo, after);
      const from = JSON.parse(client.pre_commands ?? '[]') as unknown;
      const details = { preCommands: { from, to: commands } };
      return { actor: actorOf(person), action: 'clients.commands', details };
    });
  }

  /** Its secret and tokens are worth nothing from now on; the agent is told, and stops asking. */
  async revoke(person: PersonIdentity, clientNo: number): Promise<void> {
    await this.write(clientNo, async (tx) => {
      await this.clients.setState(tx, clientNo, 'revoked');
      // A code that was made for it before would bring it back.
      await this.clients.spendCodes(tx, clientNo);
      await this.clients.endQueuedRuns(tx, clientNo);
      return { actor: actorOf(person), action: 'clients.revoke' };
    });
    await this.config.settle();
  }

  /** Cuts the old secret off. A revoked client is active again with the new one. Whoever holds it reads all backups: a fresh sign-in. */
  async newSecret(person: PersonIdentity, clientNo: number): Promise<RegisterClientAnswer> {
    this.freshSignIn.assert(person, 'A new secret');
    const secret = newClientSecret();
    const client = await this.write(clientNo, async (tx, { state }) => {
      await this.clients.setSecret(tx, clientNo, clientSecretHash(secret));
      await this.clients.setState(tx, clientNo, 'active');
      const action = state === 'revoked' ? 'clients.reinstate' : 'clients.rotate-secret';
      return { actor: actorOf(person), action };
    });
    await this.config.settle();
    return { clientId: client.id, secret };
  }

  /** Hides the client with its backups; it can be brought back until PROTECT_DAYS have passed. */
  async remove(person: PersonIdentity, clientNo: number): Promise<void> {
    await this.write(clientNo, async (tx, client) => {
      if (client.deleted_at !== null) return null;
      const deletedAt = await tx.now();
      const purgeAfter = await this.window.protectsUntil(tx, deletedAt);
      await this.clients.hide(tx, clientNo, { deletedAt, purgeAfter });
      await this.clients.endQueuedRuns(tx, clientNo);
      return { actor: actorOf(person), action: 'clients.delete', details: { purgeAfterMs: purgeAfter } };
    });
    await this.config.settle();
  }

  async restore(person: PersonIdentity, clientNo: number): Promise<void> {
    await this.write(clientNo, async (tx, client) => {
      if (client.deleted_at === null) return null;
      const until = Math.max(client.purge_after ?? 0, await this.window.protectsUntil(tx, client.deleted_at));
      if (until < (await tx.now())) {
        throw new DomainError('conflict', 'The time in which this client could be brought back is over.');
      }
      await this.clients.unhide(tx, clientNo);
      return { actor: actorOf(person), action: 'clients.restore' };
    });
  }

  /** `work` returns what was done, null for nothing. */
  private async write(
    clientNo: number,
    work: (tx: Sql, client: ClientRow) => Promise<Change | null>,
  ): Promise<ClientRow> {
    return this.database.write('clients.change', async (tx) => {
      const client = await this.clients.lock(tx, clientNo);
      if (client === undefined) throw new DomainError('not-found', 'The client is gone.');
      const change = await work(tx, client);
      if (change === null) return client;
      await this.signals.tell(tx, clientNo, 'config');
      const { actor, ...done } = change;
      await this.audit.record(tx, actor, { ...done, target: { kind: 'client', id: client.id, name: client.name } });
      return client;
    });
  }
}
