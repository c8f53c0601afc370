import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ChangeUserRequest, RegisterUserRequest, SetPasswordRequest } from '#common';
import { actorOf } from '../audit/actor';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { OwnAccountService } from '../auth/own-account.service';
import type { FormFields } from '../pages/form-fields';
import { FieldProblems, formProblem, requestOf, type FormProblem } from '../pages/form-problem';
import { goTo, showPage, type PageAnswer } from '../pages/page';
import { PageIdPipe } from '../pages/page-id.pipe';
import { sizeText } from '../pages/quantities';
import { isTypedName, nameOfForm } from '../pages/typed-name';
import { AccountGrants } from '../users/account-grants';
import { AccountsService } from '../users/accounts.service';
import { UsersService } from '../users/users.service';
import { UserPage } from './user-page';
import { UsersListPage } from './users-list-page';

const GIB = 1024 ** 3;
const SENTENCES = {
  username: 'A username has 1 to 128 characters.',
  password: 'A password has 8 to 1024 characters.',
  role: 'One of the roles of the list.',
  quota_bytes: 'A number of gibibytes, such as 500 or 0.5; nothing for no limit.',
};

/** Looking after accounts. */
@Controller()
export class UsersPagesController {
  constructor(
    private readonly page: UserPage,
    private readonly list: UsersListPage,
    private readonly accounts: AccountsService,
    private readonly users: UsersService,
    private readonly account: OwnAccountService,
    private readonly grants: AccountGrants,
  ) {}

  @Page('manage-users')
  @Get('/users')
  all(@CurrentViewer() viewer: SignedInViewer): Promise<PageAnswer> {
    return this.list.show(viewer);
  }

  @Page('manage-users')
  @Get('/users/new')
  empty(): PageAnswer {
    return newUserPage({ username: '', role: 'user' }, null);
  }

  @Page('manage-users')
  @Post('/users/new')
  async create(@CurrentViewer() { person }: SignedInViewer, @Body() fields: FormFields): Promise<PageAnswer> {
    const [username, role] = [fields.text('username').trim(), fields.text('role')];
    try {
      const values = { username, role, password: fields.text('password') };
      const request = requestOf(RegisterUserRequest, values, SENTENCES);
      this.grants.assertMayRegister(person, request);
      const made = await this.users.register(actorOf(person), request);
      return goTo(`/users/${made.id}`, `The user "${made.username}" is made.`);
    } catch (error) {
      return newUserPage({ username, role }, formProblem(error));
    }
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
  ): Promise<PageAnswer> {
    return this.done(viewer, id, 'The account is changed.', async () => {
      const { username: present } = await this.accounts.get(id);
      const username = nameOfForm(fields.text('username'), present);
      const state = fields.isChecked('is_disabled') ? 'disabled' : 'active';
      const values = { username, role: fields.text('role'), state };
      const request = requestOf(ChangeUserRequest, values, SENTENCES);
      await this.grants.assertMayChange(viewer.person, id, request);
      await this.accounts.change(viewer.person, id, request);
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
      const request = requestOf(ChangeUserRequest, { quota_bytes: bytes }, SENTENCES);
      await this.accounts.change(viewer.person, id, request);
      const words = bytes === null ? 'There is no quota any more.' : `The quota is ${sizeText(bytes)}.`;
      return goTo(`/users/${id}`, words);
    } catch (error) {
      const { message, status, fields: wrong } = formProblem(error);
      const problem = { message, status, fields: { quota_gib: wrong['quota_bytes'] ?? message } };
      return this.page.show(viewer, id, { problem, quota: typed ?? '' });
    }
  }

  @Page('manage-users')
  @Post('/users/:userId/password')
  async setPassword(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('userId', PageIdPipe) id: string,
    @Body() fields: FormFields,
  ): Promise<PageAnswer> {
    const words = 'The password is set; all sign-ins and API tokens of the user have ended.';
    return this.done(viewer, id, words, async () => {
      const { password } = requestOf(SetPasswordRequest, { password: fields.text('password') }, SENTENCES);
      await this.account.setPassword(viewer.person, id, password);
    });
  }

  @Page('manage-users')
  @Post('/users/:userId/sign-out')
  async signOut(@CurrentViewer() viewer: SignedInViewer, @Param('userId', PageIdPipe) id: string): Promise<PageAnswer> {
    return this.done(viewer, id, 'All sign-ins and API tokens of the user have ended.', async () => {
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
    return this.done(viewer, id, 'The user is deleted.', async () => {
      if (!isTypedName(fields.text('typed_name'), username)) {
        throw new FieldProblems({ typed_name: 'This is not the name of the user: nothing was deleted.' });
      }
      await this.accounts.remove(viewer.person, id);
    });
  }

  @Page('manage-users')
  @Post('/users/:userId/restore')
  async restore(@CurrentViewer() viewer: SignedInViewer, @Param('userId', PageIdPipe) id: string): Promise<PageAnswer> {
    return this.done(viewer, id, 'The user is back.', async () => {
      this.grants.assertMayGiveAccess(viewer.person);
      await this.accounts.restore(viewer.person, id);
    });
  }

  private async done(
    viewer: SignedInViewer,
    id: string,
    words: string,
    work: () => Promise<void>,
  ): Promise<PageAnswer> {
    try {
      await work();
      return goTo(`/users/${id}`, words);
    } catch (error) {
      return this.page.show(viewer, id, { problem: formProblem(error) });
    }
  }
}

/** Bytes of gibibytes as typed, with a comma or a point; NaN for what is none, which validation then names. */
function quotaOf(text: string): number {
  const typed = text.replace(',', '.');
  return /^\d{1,9}(\.\d{1,3})?$/.test(typed) ? Math.round(Number(typed) * GIB) : Number.NaN;
}

function newUserPage(form: { username: string; role: string }, problem: FormProblem | null): PageAnswer {
  const roles = ['user', 'viewer', 'admin'].map((role) => ({
    value: role,
    label: role,
    isSelected: role === form.role,
  }));
  return showPage('users/new', { title: 'New user', form, roles }, { problem });
}
