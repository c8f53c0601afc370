import { Injectable } from '@nestjs/common';
import type { EnrolRequest, RegisterClientAnswer } from '#common';
import { nobodyAt } from '../audit/actor';
import { SignInThrottle } from '../auth/sign-in-throttle';
import { Database } from '../database/database';
import type { EnrolmentCodeRow } from '../database/entities/fleet.entities';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { ClientEnrolment } from './client-enrolment';
import { clientSecretHash, newClientSecret } from './client-secret';
import { ClientsRepository } from './clients.repository';
import { machineOf } from './clients.service';
import { enrolmentCodeHash } from './enrolment-code';
import { EnrolmentCodesRepository } from './enrolment-codes.repository';

/** What codes read and write. */
@Injectable()
export class EnrolmentRepositories {
  constructor(
    readonly codes: EnrolmentCodesRepository,
    readonly clients: ClientsRepository,
  ) {}
}

/** Machines that come with a code instead of a password. */
@Injectable()
export class CodeEnrolment {
  constructor(
    private readonly database: Database,
    private readonly repositories: EnrolmentRepositories,
    private readonly enrolment: ClientEnrolment,
    private readonly throttle: SignInThrottle,
  ) {}

  /**
   * Spends the code. Throws `unauthenticated` for one that is unknown, used or expired, `name-taken`; nothing is spent then.
   * `slow-down`: this one is wrong, and too many of this address were. Right ones wait for nobody: behind one address many machines
   * may stand, and 120 random bits are guessed at no pace.
   */
  async enrol(request: EnrolRequest, address: string | null): Promise<RegisterClientAnswer> {
    // Counted apart from sign-ins: a machine that comes again and again with a spent code holds up no person beside it.
    const attempt = { username: null, address };
    const hash = enrolmentCodeHash(request.code);
    try {
      // Whoever tries codes that never were takes no turn of those who write.
      if (!(await this.database.read((sql) => this.repositories.codes.exists(sql, hash)))) throw badCode();
      return await this.spend(request, hash, address);
    } catch (error) {
      if (error instanceof DomainError && error.code === 'unauthenticated') {
        await this.throttle.wait(attempt);
        await this.throttle.failed(attempt, nobodyAt(address), { action: 'codes.failed' });
      }
      throw error;
    }
  }

  private async spend(request: EnrolRequest, hash: Buffer, address: string | null): Promise<RegisterClientAnswer> {
    const secret = request.secret ?? newClientSecret();
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
