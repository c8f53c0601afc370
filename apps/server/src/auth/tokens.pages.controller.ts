import { Body, Controller, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { CreateTokenRequest } from '#common';
import { Database } from '../database/database';
import type { FormFields } from '../pages/form-fields';
import { formProblem, requestOf } from '../pages/form-problem';
import { Moments } from '../pages/moments';
import { goTo, showPage, type PageAnswer } from '../pages/page';
import { PageIdPipe } from '../pages/page-id.pipe';
import { Page } from './access';
import { ApiTokensService } from './api-tokens.service';
import { CurrentViewer, type SignedInViewer } from './current-viewer';
import { PageSignIn } from './page-sign-in';
import { ProfilePage } from './profile-page';

const SENTENCES = {
  name: 'A name has 1 to 128 characters.',
  scopes: 'Choose what the token may do.',
  expiresInDays: 'A whole number of days, at most 3650; nothing for a token without an end.',
};

/** One's own API tokens. */
@Controller()
export class TokensPagesController {
  constructor(
    private readonly page: ProfilePage,
    private readonly tokens: ApiTokensService,
    private readonly signIn: PageSignIn,
    private readonly database: Database,
  ) {}

  @Page('own-account')
  @Post('/profile/tokens')
  async create(
    @CurrentViewer() viewer: SignedInViewer,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    const token = {
      name: fields.text('name').trim(),
      scopes: fields.all('scopes'),
      days: fields.text('expiresInDays'),
    };
    try {
      const values = { name: token.name, scopes: token.scopes, expiresInDays: fields.number('expiresInDays') };
      const wanted = requestOf(CreateTokenRequest, values, SENTENCES);
      const typed = { fields, name: 'password' };
      const person = await this.signIn.confirmed(viewer.person, typed, request, response);
      const made = await this.tokens.create(person, wanted);
      const moments = new Moments(viewer.timeZone, await this.database.now());
      // Not behind a redirect: it is shown this once and kept nowhere.
      const view = {
        name: made.name,
        token: made.token,
        scopes: made.scopes.join(', '),
        expires: moments.at(made.expiresMs),
      };
      return showPage('token', { title: `New token ${made.name}`, ...view });
    } catch (error) {
      return this.page.show(viewer, { problem: formProblem(error), token });
    }
  }

  @Page('own-account')
  @Post('/profile/tokens/:tokenId/revoke')
  async revoke(
    @CurrentViewer() { person }: SignedInViewer,
    @Param('tokenId', PageIdPipe) id: string,
  ): Promise<PageAnswer> {
    await this.tokens.revoke(person, id);
    return goTo('/profile', 'The token is revoked: whoever comes with it is refused from now on.');
  }
}
