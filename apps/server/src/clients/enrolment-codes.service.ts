import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { CreateEnrolmentCodeRequest, EnrolmentCodeAnswer, EnrolRequest, RegisterClientAnswer } from '#common';
import { actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { Database } from '../database/database';
import type { EnrolmentCodeRow } from '../database/entities/fleet.entities';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import type { PersonIdentity } from '../users/person-identity';
import { ClientEnrolment } from './client-enrolment';
import { clientSecretHash, newClientSecret } from './client-secret';
import { ClientsRepository } from './clients.repository';
import { ClientsService, machineOf } from './clients.service';
import { enrolmentCodeHash, newEnrolmentCode } from './enrolment-code';
import { EnrolmentCodesRepository } from './enrolment-codes.repository';

const DEFAULT_MINUTES = 60;
const FORGOTTEN_AFTER_MS = 7 * 86_400_000;

/** What codes read and write. */
@Injectable()
export class EnrolmentRepositories {
  constructor(
    readonly codes: EnrolmentCodesRepository,
    readonly clients: ClientsRepository,
  ) {}
}

/** Codes that enrol one machine once, without a password on it. */
@Injectable()
export class EnrolmentCodesService {
  constructor(
    private readonly database: Database,
    private readonly repositories: EnrolmentRepositories,
    private readonly clients: ClientsService,
    private readonly enrolment: ClientEnrolment,
    private readonly audit: AuditService,
    private readonly freshSignIn: FreshSignIn,
  ) {}

  /** A code for a client that there is gives access to its backups: it needs a fresh sign-in. */
  async create(person: PersonIdentity, request: CreateEnrolmentCodeRequest): Promise<EnrolmentCodeAnswer> {
    if (request.clientId !== undefined) this.freshSignIn.assert(person, 'A code for a client that has backups');
    const client =
      request.clientId === undefined
        ? null
        : await this.clients.getPresent({ kind: 'person', person }, request.clientId);
    const code = newEnrolmentCode();
    const id = randomUUID();
    return this.database.write('clients.change', async (tx) => {
      const ownerNo = client?.owner_no ?? (await this.clients.ownerFor(tx, person, request.username)).no;
      const now = await tx.now();
      const expiresAt = now + (request.expiresInMinutes ?? DEFAULT_MINUTES) * 60_000;
      await this.repositories.codes.forgetBefore(tx, now - FORGOTTEN_AFTER_MS);
      await this.repositories.codes.insert(tx, {
        id,
        owner_no: ownerNo,
        client_no: client?.no ?? null,
        code_hash: enrolmentCodeHash(code),
        expires_at: expiresAt,
      });
      const target = { kind: 'code', id, name: null } as const;
      const details = { client: client?.name ?? null, expiresMs: expiresAt };
      await this.audit.record(tx, actorOf(person), { action: 'codes.create', target, details });
      return { id, code, expiresAtMs: expiresAt };
    });
  }

  /** Spends the code. Throws `unauthenticated` for one that is unknown, used or expired, `name-taken`; nothing is spent then. */
  async enrol(request: EnrolRequest, address: string | null): Promise<RegisterClientAnswer> {
    const secret = request.secret ?? newClientSecret();
    const hash = enrolmentCodeHash(request.code);
    const clientId = await this.database.write('clients.register', async (tx) => {
      const code = await this.repositories.codes.lock(tx, hash);
      if (code === undefined) throw badCode();
      const owner = await this.repositories.codes.findOwner(tx, code.owner_no);
      const bound = code.client_no === null ? null : await this.repositories.clients.lock(tx, code.client_no);
      if (owner === undefined || bound === undefined) throw badCode();
      const repeated = await this.repeated(tx, code, secret);
      if (repeated !== null) return repeated;
      if (code.used_at !== null || code.expires_at < (await tx.now())) throw badCode();
      const name = bound?.name ?? request.name;
      if (name === undefined) throw new DomainError('invalid', 'This code needs the name that the client is to have.');
      const client = await this.enrolment.attach(tx, {
        actor: { kind: 'user', id: owner.id, name: owner.username, address },
        owner,
        name,
        machine: machineOf(request),
        secret,
        reattach: bound === null ? 'refused' : 'this-very-client',
      });
      await this.repositories.codes.markUsed(tx, code.no, client.no);
      return client.id;
    });
    return { clientId, secret };
  }

  /** The client that this very secret was enrolled for with the code: an answer that was lost is given again. */
  private async repeated(tx: Sql, code: EnrolmentCodeRow, secret: string): Promise<string | null> {
    if (code.used_by === null) return null;
    const client = await this.repositories.clients.lock(tx, code.used_by);
    const isSame = client?.state === 'active' && client.secret_hash.equals(clientSecretHash(secret));
    return isSame && client.deleted_at === null ? client.id : null;
  }
}

function badCode(): DomainError {
  return new DomainError('unauthenticated', 'This enrolment code is unknown, used or expired; ask for a new one.');
}
