import { Body, Controller, Get, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { ChangePasswordRequest } from '#common';
import type { FormFields } from '../pages/form-fields';
import { FieldProblems, formProblem, requestOf } from '../pages/form-problem';
import { goTo, type PageAnswer } from '../pages/page';
import { AccountsService } from '../users/accounts.service';
import { Page } from './access';
import { CurrentViewer, type SignedInViewer } from './current-viewer';
import { OwnAccountService } from './own-account.service';
import { PageSignIn } from './page-sign-in';
import { ProfilePage } from './profile-page';

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
    private readonly page: ProfilePage,
  ) {}

  @Page('own-account')
  @Get('/profile')
  show(@CurrentViewer() viewer: SignedInViewer): Promise<PageAnswer> {
    return this.page.show(viewer);
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
      const problem = { status, message, fields: { time_zone: message } };
      return this.page.show(viewer, { problem, timeZone: timeZone ?? '' });
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
      return this.page.show(viewer, { problem: formProblem(error) });
    }
  }

  @Page('own-account')
  @Post('/profile/sign-out-everywhere')
  async signOutEverywhere(@CurrentViewer() { person }: SignedInViewer): Promise<PageAnswer> {
    await this.account.revokeAll(person, person.userId);
    return goTo('/login', 'All sign-ins and API tokens of your account have ended.');
  }
}
