import { Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import type { FormProblem } from '../pages/form-problem';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { AccountsService } from '../users/accounts.service';
import { ApiTokensService } from './api-tokens.service';
import type { SignedInViewer } from './current-viewer';
import { FreshSignIn } from './fresh-sign-in';
import { PageSignIn } from './page-sign-in';
import { profileView, type TypedToken } from './profile.view';

const NO_TOKEN: TypedToken = { name: '', scopes: ['read'], days: '' };

/** The page of one's own account, with what was wrong with a form of it. */
@Injectable()
export class ProfilePage {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsService,
    private readonly signIn: PageSignIn,
    private readonly tokens: ApiTokensService,
    private readonly freshSignIn: FreshSignIn,
  ) {}

  /** `timeZone`, `token`: as typed, when the form is shown again. */
  async show(
    { person, timeZone }: SignedInViewer,
    shown: { problem?: FormProblem; timeZone?: string; token?: TypedToken } = {},
  ): Promise<PageAnswer> {
    const view = profileView({
      user: await this.accounts.get(person.userId),
      sessions: await this.signIn.sessionsOf(person.userId),
      tokens: (await this.tokens.list(person.userNo)).tokens,
      moments: new Moments(timeZone, await this.database.now()),
      timeZone: shown.timeZone ?? timeZone,
      token: shown.token ?? NO_TOKEN,
      isTokenAsked: shown.token !== undefined,
      isFresh: this.freshSignIn.isFresh(person),
    });
    return showPage('profile', view, { problem: shown.problem ?? null });
  }
}
