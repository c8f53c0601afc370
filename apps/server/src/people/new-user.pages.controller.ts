import { Body, Controller, Get, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { RegisterUserRequest } from '#common';
import { actorOf } from '../audit/actor';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { PageSignIn } from '../auth/page-sign-in';
import type { FormFields } from '../pages/form-fields';
import { formProblem, requestOf, type FormProblem } from '../pages/form-problem';
import { goTo, showPage, type PageAnswer } from '../pages/page';
import { AccountGrants } from '../users/account-grants';
import type { PersonIdentity } from '../users/person-identity';
import { UsersService } from '../users/users.service';
import { ACCOUNT_SENTENCES } from './account-sentences';

interface NewUserForm {
  readonly username: string;
  readonly role: string;
}

/** Making an account. */
@Controller()
export class NewUserPagesController {
  constructor(
    private readonly users: UsersService,
    private readonly grants: AccountGrants,
    private readonly signIn: PageSignIn,
  ) {}

  @Page('manage-users')
  @Get('/users/new')
  empty(@CurrentViewer() { person }: SignedInViewer): PageAnswer {
    return this.form(person, { username: '', role: 'user' }, null);
  }

  @Page('manage-users')
  @Post('/users/new')
  async create(
    @CurrentViewer() viewer: SignedInViewer,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    const [username, role] = [fields.text('username').trim(), fields.text('role')];
    try {
      const values = { username, role, password: fields.text('password') };
      const wanted = requestOf(RegisterUserRequest, values, ACCOUNT_SENTENCES);
      const typed = { fields, name: 'own_password' };
      const person = await this.signIn.confirmed(viewer.person, typed, request, response);
      this.grants.assertMayRegister(person, wanted);
      const made = await this.users.register(actorOf(person), wanted);
      return goTo(`/users/${made.id}`, `The user "${made.username}" is made.`);
    } catch (error) {
      return this.form(viewer.person, { username, role }, formProblem(error));
    }
  }

  private form(person: PersonIdentity, form: NewUserForm, problem: FormProblem | null): PageAnswer {
    const roles = ['user', 'viewer', 'admin'].map((value) => ({
      value,
      label: value,
      isSelected: value === form.role,
    }));
    const view = { title: 'New user', form, roles, needsPassword: !this.grants.isFresh(person) };
    return showPage('users/new', view, { problem });
  }
}
