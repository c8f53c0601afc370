import { Body, Controller, Get, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { ChangePasswordRequest } from '#common';
import { Database } from '../database/database';
import type { FormFields } from '../pages/form-fields';
import { FieldProblems, formProblem, requestOf, type FormProblem } from '../pages/form-problem';
import { Moments } from '../pages/moments';
import { goTo, showPage, type PageAnswer } from '../pages/page';
import { AccountsService } from '../users/accounts.service';
import { Page } from './access';
import { CurrentViewer, type SignedInViewer } from './current-viewer';
import { OwnAccountService } from './own-account.service';
import { PageSignIn } from './page-sign-in';
import { profileView } from './profile.view';

const SENTENCES = {
  current_password: 'Enter your present password.',
  new_password: 'A password has 8 to 1024 characters.',
};

/** One's own account. */
@Controller()
export class ProfilePagesController {
  constructor(
    private readonly account: OwnAccountService,
    private readonly accounts: AccountsService,
    private readonly signIn: PageSignIn,
    private readonly database: Database,
  ) {}

  @Page('own-account')
  @Get('/profile')
  show(@CurrentViewer() viewer: SignedInViewer): Promise<PageAnswer> {
    return this.page(viewer, null, viewer.timeZone);
  }

  @Page('own-account')
  @Post('/profile/time-zone')
  async setTimeZone(@CurrentViewer() viewer: SignedInViewer, @Body() fields: FormFields): Promise<PageAnswer> {
    const timeZone = fields.optional('time_zone') ?? null;
    try {
      await this.accounts.setTimeZone(viewer.person, timeZone);
      return goTo(
        '/profile',
        timeZone === null ? "Times are shown in the server's zone." : `Times are shown in ${timeZone}.`,
      );
    } catch (error) {
      const { message, status } = formProblem(error);
      return this.page(viewer, { status, message, fields: { time_zone: message } }, timeZone ?? '');
    }
  }

  @Page('own-account')
  @Post('/profile/password')
  async changePassword(
    @CurrentViewer() viewer: SignedInViewer,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    try {
      const values = { current_password: fields.text('current_password'), new_password: fields.text('new_password') };
      const change = requestOf(ChangePasswordRequest, values, SENTENCES);
      if (fields.text('repeated_password') !== change.new_password) {
        throw new FieldProblems({ repeated_password: 'This is not the new password once more.' });
      }
      await this.account.changePassword(viewer.person, change);
      // All sign-ins ended with the old password, this browser's too.
      await this.signIn.beginFor(viewer.person.userId, request, response);
      return goTo('/profile', 'The password is changed. All other sign-ins have ended.');
    } catch (error) {
      return this.page(viewer, formProblem(error), viewer.timeZone);
    }
  }

  @Page('own-account')
  @Post('/profile/sign-out-everywhere')
  async signOutEverywhere(@CurrentViewer() { person }: SignedInViewer): Promise<PageAnswer> {
    await this.account.revokeAll(person, person.userId);
    return goTo('/login', 'All sign-ins and API tokens of your account have ended.');
  }

  private async page(viewer: SignedInViewer, problem: FormProblem | null, timeZone: string): Promise<PageAnswer> {
    const { userId } = viewer.person;
    const view = profileView({
      user: await this.accounts.get(userId),
      sessions: await this.signIn.sessionsOf(userId),
      moments: new Moments(viewer.timeZone, await this.database.now()),
      timeZone,
    });
    return showPage('profile', view, { problem });
  }
}
