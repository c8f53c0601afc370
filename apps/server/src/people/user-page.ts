import { Injectable } from '@nestjs/common';
import type { RetentionReport } from '#common';
import type { SignedInViewer } from '../auth/current-viewer';
import { PageSignIn } from '../auth/page-sign-in';
import { Database } from '../database/database';
import { FleetService } from '../fleet/fleet.service';
import type { FormFields } from '../pages/form-fields';
import type { FormProblem } from '../pages/form-problem';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { RetentionPoliciesService } from '../retention/retention-policies.service';
import { AccountGrants } from '../users/account-grants';
import { AccountsService } from '../users/accounts.service';
import { userView, type TypedAccount, type UserForm } from './user.view';

const SHOWN_CLIENTS = 30;

/** A form that is shown again, as it was typed. */
export interface ShownAgain {
  readonly problem?: FormProblem;
  readonly sent?: UserForm;
  readonly account?: TypedAccount;
  readonly quota?: string;
  readonly policy?: FormFields;
  readonly report?: RetentionReport;
}

/** The page of a user, with what was wrong with a form of it, or what a policy would do. */
@Injectable()
export class UserPage {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsService,
    private readonly signIn: PageSignIn,
    private readonly policies: RetentionPoliciesService,
    private readonly fleet: FleetService,
    private readonly grants: AccountGrants,
  ) {}

  async show({ person, timeZone }: SignedInViewer, id: string, shown: ShownAgain = {}): Promise<PageAnswer> {
    const user = await this.accounts.get(id);
    const { policy: fields } = shown;
    const filter = { state: null, owner: user.username, search: null };
    const order = { by: 'name', isDown: false } as const;
    const view = userView({
      user,
      sessions: await this.signIn.sessionsOf(id),
      clients:
        user.deletedMs === null
          ? await this.fleet.page(person, { filter, order, page: 1, size: SHOWN_CLIENTS })
          : { count: 0, clients: [] },
      policy: await this.policies.describe(person, 'users', id),
      typed:
        fields === undefined
          ? null
          : { kind: fields.text('retention_kind'), text: (name: string): string => fields.text(name) },
      accountTyped: shown.account ?? null,
      quotaTyped: shown.quota ?? null,
      sent: shown.sent ?? null,
      isFresh: this.grants.isFresh(person),
      report: shown.report ?? null,
      moments: new Moments(timeZone, await this.database.now()),
    });
    return showPage('users/user', view, { problem: shown.problem ?? null });
  }
}
