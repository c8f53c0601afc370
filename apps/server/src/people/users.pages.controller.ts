import { Body, Controller, Get, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { ChangeUserRequest, SetPasswordRequest } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { OwnAccountService } from '../auth/own-account.service';
import { PageSignIn } from '../auth/page-sign-in';
import type { FormFields } from '../pages/form-fields';
import { FieldProblems, formProblem, requestOf } from '../pages/form-problem';
import { goTo, type PageAnswer } from '../pages/page';
import { PageIdPipe } from '../pages/page-id.pipe';
import { sizeText } from '../pages/quantities';
import { isTypedName, nameOfForm } from '../pages/typed-name';
import { AccountGrants } from '../users/account-grants';
import { AccountsService } from '../users/accounts.service';
import { ACCOUNT_SENTENCES } from './account-sentences';
import { UserPage, type ShownAgain } from './user-page';
import { UsersListPage } from './users-list-page';

const GIB = 1024 ** 3;

/** Looking after accounts. */
@Controller()
export class UsersPagesController {
  constructor(
    private readonly page: UserPage,
    private readonly list: UsersListPage,
    private readonly accounts: AccountsService,
    private readonly account: OwnAccountService,
    private readonly grants: AccountGrants,
    private readonly signIn: PageSignIn,
  ) {}

  @Page('manage-users')
  @Get('/users')
  all(@CurrentViewer() viewer: SignedInViewer): Promise<PageAnswer> {
    return this.list.show(viewer);
  }

  @Page('manage-users')
  @Get('/users/:userId')
  show(@CurrentViewer() viewer: SignedInViewer, @Param('userId', PageIdPipe) id: string): Promise<PageAnswer> {
    return this.page.show(viewer, id);
  }

  @Page('manage-users')
  @Post('/users/:userId')
  async change(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('userId', PageIdPipe) id: string,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    const isDisabled = fields.isChecked('is_disabled');
    const account = { username: fields.text('username'), role: fields.text('role'), isDisabled };
    const form = { id, words: 'The account is changed.', again: { sent: 'account', account } } as const;
    return this.done(viewer, form, async () => {
      const { username: present } = await this.accounts.get(id);
      const values = {
        username: nameOfForm(account.username, present),
        role: account.role,
        state: isDisabled ? 'disabled' : 'active',
      };
      const change = requestOf(ChangeUserRequest, values, ACCOUNT_SENTENCES);
      const typed = { fields, name: 'own_password_for_account' };
      const person = await this.signIn.confirmed(viewer.person, typed, request, response);
      await this.grants.assertMayChange(person, id, change);
      await this.accounts.change(person, id, change);
    });
  }

  @Page('manage-users')
  @Post('/users/:userId/quota')
  async setQuota(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('userId', PageIdPipe) id: string,
    @Body() fields: FormFields,
  ): Promise<PageAnswer> {
    const typed = fields.optional('quota_gib');
    try {
      const bytes = typed === undefined ? null : quotaOf(typed);
      const request = requestOf(ChangeUserRequest, { quota_bytes: bytes }, ACCOUNT_SENTENCES);
      await this.accounts.change(viewer.person, id, request);
      const words = bytes === null ? 'There is no quota any more.' : `The quota is ${sizeText(bytes)}.`;
      return goTo(`/users/${id}`, words);
    } catch (error) {
      const { message, status, fields: wrong } = formProblem(error);
      const problem = { message, status, fields: { quota_gib: wrong['quota_bytes'] ?? message } };
      return this.page.show(viewer, id, { problem, sent: 'quota', quota: typed ?? '' });
    }
  }

  @Page('manage-users')
  @Post('/users/:userId/password')
  async setPassword(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('userId', PageIdPipe) id: string,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    const words = 'The password is set; all sign-ins and API tokens of the user have ended.';
    return this.done(viewer, { id, words, again: { sent: 'password' } }, async () => {
      const { password } = requestOf(SetPasswordRequest, { password: fields.text('password') }, ACCOUNT_SENTENCES);
      const typed = { fields, name: 'own_password_for_password' };
      const person = await this.signIn.confirmed(viewer.person, typed, request, response);
      await this.account.setPassword(person, id, password);
    });
  }

  @Page('manage-users')
  @Post('/users/:userId/sign-out')
  async signOut(@CurrentViewer() viewer: SignedInViewer, @Param('userId', PageIdPipe) id: string): Promise<PageAnswer> {
    const form = { id, words: 'All sign-ins and API tokens of the user have ended.', again: {} };
    return this.done(viewer, form, async () => {
      await this.account.revokeAll(viewer.person, id);
    });
  }

  @Page('manage-users')
  @Post('/users/:userId/delete')
  async remove(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('userId', PageIdPipe) id: string,
    @Body() fields: FormFields,
  ): Promise<PageAnswer> {
    const { username } = await this.accounts.get(id);
    return this.done(viewer, { id, words: 'The user is deleted.', again: { sent: 'delete' } }, async () => {
      if (!isTypedName(fields.text('typed_name'), username)) {
        throw new FieldProblems({ typed_name: 'This is not the name of the user: nothing was deleted.' });
      }
      await this.accounts.remove(viewer.person, id);
    });
  }

  @Page('manage-users')
  @Post('/users/:userId/restore')
  async restore(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('userId', PageIdPipe) id: string,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    return this.done(viewer, { id, words: 'The user is back.', again: {} }, async () => {
      const typed = { fields, name: 'own_password' };
      const person = await this.signIn.confirmed(viewer.person, typed, request, response);
      this.grants.assertMayGiveAccess(person);
      await this.accounts.restore(person, id);
    });
  }

  private async done(
    viewer: SignedInViewer,
    { id, words, again }: { id: string; words: string; again: ShownAgain },
    work: () => Promise<void>,
  ): Promise<PageAnswer> {
    try {
      await work();
      return goTo(`/users/${id}`, words);
    } catch (error) {
      return this.page.show(viewer, id, { ...again, problem: formProblem(error) });
    }
  }
}

/** Bytes of gibibytes as typed, with a comma or a point; NaN for what is none, which validation then names. */
function quotaOf(text: string): number {
  const typed = text.replace(',', '.');
  return /^\d{1,9}(\.\d{1,3})?$/.test(typed) ? Math.round(Number(typed) * GIB) : Number.NaN;
}
