import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Actor } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { ServerSettings } from '../config/server-settings';
import type { ClientRow } from '../database/entities/identity.entities';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { assertNewName } from '../http/new-name';
import { DomainsService } from '../users/domains.service';
import { ClientSignals } from './client-signals';
import { clientSecretHash } from './client-secret';
import { ClientsRepository, type Machine } from './clients.repository';

export interface Enrolment {
  readonly actor: Actor;
  readonly owner: { readonly no: number; readonly domain_no: number };
  readonly name: string;
  readonly machine: Machine;
  readonly secret: string;
  /**
   * Whether a client of this name may be attached again. By password it may, when `assertMayReattach` does not throw; a plain
   * code may not. A code that was made for this very client brings it back also when it is revoked: whoever made it could
   * have given it a new secret.
   */
  readonly reattach: 'refused' | 'this-very-client' | { readonly assertMayReattach: () => void };
}

/** Gives a machine its client: a new one, or the one of that name, whose old secret is cut off. */
@Injectable()
export class ClientEnrolment {
  constructor(
    private readonly clients: ClientsRepository,
    private readonly domains: DomainsService,
    private readonly signals: ClientSignals,
    private readonly audit: AuditService,
    private readonly settings: ServerSettings,
  ) {}

  /**
   * The client's id and number. Throws `name-taken`, `client-revoked`, `invalid` for a name that no client has and none gets, and what
   * `assertMayReattach` throws.
   */
  async attach(tx: Sql, enrolment: Enrolment): Promise<{ id: string; no: number }> {
    const { owner, machine } = enrolment;
    const name = enrolment.name.normalize('NFC');
    const secretHash = clientSecretHash(enrolment.secret);
    let existing = await this.clients.lockByName(tx, owner.no, name);
    if (existing === undefined) {
      assertNewName(name);
      const id = randomUUID();
      const domainNo = this.settings.dedupScope === 'client' ? await this.domains.open(tx) : owner.domain_no;
      const isMade = await this.clients.insert(tx, { id, ownerNo: owner.no, domainNo, name, secretHash, ...machine });
      // Another request may have been faster; its row is committed then, or the insert would still wait.
      existing = await this.clients.lockByName(tx, owner.no, name);
      if (existing !== undefined && isMade) {
        await this.record(tx, enrolment, { action: 'clients.register', client: existing });
        return { id, no: existing.no };
      }
    }
    if (existing === undefined) throw new DomainError('unavailable', 'The client was removed just now; try again.');
    assertAttachable(existing, enrolment, secretHash);
    await this.clients.reattach(tx, existing.no, { secretHash, ...machine });
    const isBack = existing.state === 'revoked';
    if (isBack) await this.clients.setState(tx, existing.no, 'active');
    // Who holds the old secret learns of it now, not at his next call.
    await this.signals.tell(tx, existing.no, 'commands');
    await this.record(tx, enrolment, { action: isBack ? 'clients.reinstate' : 'clients.reattach', client: existing });
    return { id: existing.id, no: existing.no };
  }

  private record(
    tx: Sql,
    { actor, machine }: Enrolment,
    { action, client }: { action: string; client: ClientRow },
  ): Promise<void> {
    const target = { kind: 'client', id: client.id, name: client.name } as const;
    return this.audit.record(tx, actor, { action, target, details: { ...machine } });
  }
}

function assertAttachable(client: ClientRow, { reattach }: Enrolment, secretHash: Buffer): void {
  if (client.state === 'revoked' && reattach !== 'this-very-client') {
    throw new DomainError(
      'client-revoked',
      'A client of this name was revoked: an enrolment code made for that client brings it back, or enrol under another name.',
    );
  }
  if (client.deleted_at !== null) {
    throw new DomainError('name-taken', 'A client of this name was deleted; bring it back, or choose another name.');
  }
  // The very secret again: an enrolment whose answer was lost.
  if (client.secret_hash.equals(secretHash)) return;
  if (typeof reattach === 'object') reattach.assertMayReattach();
  if (reattach === 'refused') {
    throw new DomainError(
      'name-taken',
      'There is a client of this name already: a code made for that client, or the password, attaches it again.',
    );
  }
}
