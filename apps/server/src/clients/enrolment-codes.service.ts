import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { CreateEnrolmentCodeRequest, EnrolmentCodeAnswer } from '#common';
import { actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { Database } from '../database/database';
import type { PersonIdentity } from '../users/person-identity';
import { ClientsService } from './clients.service';
import { enrolmentCodeHash, newEnrolmentCode } from './enrolment-code';
import { EnrolmentCodesRepository } from './enrolment-codes.repository';

const DEFAULT_MINUTES = 60;
const FORGOTTEN_AFTER_MS = 7 * 86_400_000;

/** Codes that enrol one machine once, without a password on it. */
@Injectable()
export class EnrolmentCodesService {
  constructor(
    private readonly database: Database,
    private readonly codes: EnrolmentCodesRepository,
    private readonly clients: ClientsService,
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
      await this.codes.forgetBefore(tx, now - FORGOTTEN_AFTER_MS);
      await this.codes.insert(tx, {
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
}
