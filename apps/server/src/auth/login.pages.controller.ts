import { Body, Controller, Get, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { LoginRequest } from '#common';
import type { FormFields } from '../pages/form-fields';
import { formProblem, requestOf, type FormProblem } from '../pages/form-problem';
import { ownPath } from '../pages/own-path';
import { goTo, showPage, type PageAnswer } from '../pages/page';
import { viewerOf } from '../pages/viewer';
import { Page, PublicPage } from './access';
import { PageSignIn } from './page-sign-in';

const SENTENCES = { username: 'Enter your username.', password: 'Enter your password.' };

/** Signing in and out with a browser. */
@Controller()
export class LoginPagesController {
  constructor(private readonly signIn: PageSignIn) {}

  @PublicPage()
  @Get('/login')
  show(@Query('to') wanted: unknown, @Req() request: Request): PageAnswer {
    const to = ownPath(typeof wanted === 'string' ? wanted : '/');
    return viewerOf(request)?.person ? goTo(to) : loginPage({ to, username: '' }, null);
  }

  @PublicPage()
  @Post('/login')
  async begin(
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    const to = ownPath(fields.text('to'));
    const username = fields.text('username');
    try {
      const login = requestOf(LoginRequest, { username, password: fields.text('password') }, SENTENCES);
      await this.signIn.signIn(login, request, response);
      return goTo(to);
    } catch (error) {
      return loginPage({ to, username }, formProblem(error));
    }
  }

  @Page('own-account')
  @Post('/logout')
  async end(@Req() request: Request, @Res({ passthrough: true }) response: Response): Promise<PageAnswer> {
    await this.signIn.signOut(request, response);
    return goTo('/login', 'You are signed out.');
  }
}

function loginPage(form: { to: string; username: string }, problem: FormProblem | null): PageAnswer {
  return showPage('login', { title: 'Sign in', form }, { problem });
}
