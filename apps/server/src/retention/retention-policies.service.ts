import { Injectable } from '@nestjs/common';
import type { RetentionPolicyAnswer, RetentionPolicyRequest } from '#common';
import { actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { ownerBoundOf, type PersonIdentity } from '../users/person-identity';
import { fieldsOf, policyOf } from './policy-fields';
import { ProtectWindow } from './protect-window';
import { type PolicyLevel, type PolicyPlace, RetentionPoliciesRepository } from './retention-policies.repository';
import { RetentionRules } from './retention-rules';

const TARGETS = { users: 'user', clients: 'client', tasks: 'task' } as const;

/** Policies as people see and set them: an admin everywhere, a user on his own clients and tasks. */
@Injectable()
export class RetentionPoliciesService {
  constructor(
    private readonly database: Database,
    private readonly policies: RetentionPoliciesRepository,
    private readonly rules: RetentionRules,
    private readonly window: ProtectWindow,
    private readonly audit: AuditService,
  ) {}

  /** `not-found` for what is somebody else's. */
  async describe(person: PersonIdentity, level: PolicyLevel, id: string): Promise<RetentionPolicyAnswer> {
    return this.database.read(async (sql) => this.answerOf(sql, await this.visible(sql, person, level, id)));
  }

  /** Replaces the whole policy: what the request leaves out inherits. */
  async replace(
    person: PersonIdentity,
    level: PolicyLevel,
    id: string,
    request: RetentionPolicyRequest,
  ): Promise<RetentionPolicyAnswer> {
    if (level === 'users' && person.role !== 'admin') {
      throw new DomainError('forbidden', "Only an admin sets a user's retention.");
    }
    return this.database.write('retention.policy', async (tx) => {
      const place = await this.visible(tx, person, level, id);
      await this.policies.replace(tx, level, place.no, policyOf(request));
      const answer = await this.answerOf(tx, await this.visible(tx, person, level, id));
      await this.audit.record(tx, actorOf(person), {
        action: 'retention.policy',
        target: { kind: TARGETS[level], id, name: null },
        details: { from: this.ownOf(place), to: answer.own },
      });
      return answer;
    });
  }

  async visible(sql: Sql, person: PersonIdentity, level: PolicyLevel, id: string): Promise<PolicyPlace> {
    const place = await this.policies.find(sql, level, id);
    const owner = ownerBoundOf(person);
    if (place === undefined || (owner !== null && place.ownerNo !== owner)) {
      throw new DomainError('not-found', `There is no ${id} among the ${level}`);
    }
    return place;
  }

  private ownOf({ levels }: Pick<PolicyPlace, 'levels'>): RetentionPolicyAnswer['own'] {
    const own = levels.at(-1);
    if (own === undefined) throw new Error('a policy has a level');
    return fieldsOf(own);
  }

  private async answerOf(sql: Sql, { levels }: PolicyPlace): Promise<RetentionPolicyAnswer> {
    return {
      own: this.ownOf({ levels }),
      effective: fieldsOf(this.rules.effective(levels)),
      protectDays: await this.window.daysSeen(sql, await sql.now()),
    };
  }
}
