import { Body, Controller, Get, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { ChangeClientConfigRequest, ChangeClientRequest } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { PageSignIn } from '../auth/page-sign-in';
import { ClientCareService } from '../clients/client-care.service';
import { ClientsService, type ClientWithOwner } from '../clients/clients.service';
import type { FormFields } from '../pages/form-fields';
import { ServerSettings } from '../config/server-settings';
import { FieldProblems, formProblem, requestOf } from '../pages/form-problem';
import { goTo, showPage, type PageAnswer } from '../pages/page';
import { PageIdPipe } from '../pages/page-id.pipe';
import { secretCommand } from './enrolment.view';
import { isTypedName, nameOfForm } from '../pages/typed-name';
import type { PersonIdentity } from '../users/person-identity';
import { ClientConfigService } from './client-config.service';
import { ClientPage } from './client-page';

const CHANGE_SENTENCES = {
  name: 'A name has 1 to 128 characters.',
  labels: 'Labels are short words, separated by commas.',
};
const COMMAND_SENTENCES = { preCommands: 'At most 32 commands, one a line, of at most 8192 characters each.' };

/** One client: how it is, and what may be done with it. */
@Controller()
export class ClientPagesController {
  constructor(
    private readonly page: ClientPage,
    private readonly clients: ClientsService,
    private readonly care: ClientCareService,
    private readonly configs: ClientConfigService,
    private readonly signIn: PageSignIn,
    private readonly settings: ServerSettings,
  ) {}

  @Page('see-status')
  @Get('/clients/:clientId')
  show(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
    @Query() query: Readonly<Record<string, unknown>>,
  ): Promise<PageAnswer> {
    return this.page.show(viewer, id, { query });
  }

  @Page('change-clients')
  @Post('/clients/:clientId')
  async change(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
    @Body() fields: FormFields,
  ): Promise<PageAnswer> {
    const { no, name } = await this.present(viewer.person, id);
    try {
      const labels = fields
        .text('labels')
        .split(',')
        .map((label) => label.trim())
        .filter((label) => label !== '');
      const values = { name: nameOfForm(fields.text('name'), name), labels };
      const request = requestOf(ChangeClientRequest, values, CHANGE_SENTENCES);
      await this.care.change(viewer.person, no, request);
      return goTo(`/clients/${id}`, 'The client is changed.');
    } catch (error) {
      return this.page.show(viewer, id, { problem: formProblem(error), sent: 'name' });
    }
  }

  /** Commands that run before every backup of the client: on somebody's machine, so the password is asked for. */
  @Page('change-commands')
  @Post('/clients/:clientId/commands')
  async setCommands(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    await this.present(viewer.person, id);
    try {
      const typed = { fields, name: 'password' };
      const person = await this.signIn.confirmed(viewer.person, typed, request, response);
      const before = (await this.configs.get({ kind: 'person', person }, id)).preCommands;
      // A line that stays keeps its limit of time and what follows a failure.
      const commands = fields
        .lines('pre_commands')
        .map((line) => before.find(({ command }) => command === line) ?? line);
      const change = requestOf(ChangeClientConfigRequest, { preCommands: commands }, COMMAND_SENTENCES);
      await this.configs.setPreCommands(person, id, change);
      return goTo(`/clients/${id}`, 'The commands are changed; the agent is told.');
    } catch (error) {
      const preCommands = fields.text('pre_commands');
      return this.page.show(viewer, id, { problem: formProblem(error), sent: 'commands', preCommands });
    }
  }

  @Page('enrol-clients')
  @Post('/clients/:clientId/secret')
  async newSecret(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    const { no, name } = await this.present(viewer.person, id);
    try {
      const typed = { fields, name: 'own_password' };
      const person = await this.signIn.confirmed(viewer.person, typed, request, response);
      const { clientId, secret } = await this.care.newSecret(person, no);
      // Not behind a redirect: it is shown this once and kept nowhere.
      const { publicUrl: serverUrl } = this.settings;
      const command = secretCommand({ clientId, serverUrl });
      return showPage('clients/secret', { title: `New secret of ${name}`, name, clientId, secret, ...command });
    } catch (error) {
      return this.page.show(viewer, id, { problem: formProblem(error), sent: 'secret' });
    }
  }

  @Page('change-clients')
  @Post('/clients/:clientId/revoke')
  async revoke(
    @CurrentViewer() { person }: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
  ): Promise<PageAnswer> {
    const { no } = await this.present(person, id);
    await this.care.revoke(person, no);
    return goTo(`/clients/${id}`, 'The client is revoked: its secret is worth nothing any more.');
  }

  @Page('change-clients')
  @Post('/clients/:clientId/delete')
  async remove(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
    @Body() fields: FormFields,
  ): Promise<PageAnswer> {
    const { no, name } = await this.present(viewer.person, id);
    try {
      if (!isTypedName(fields.text('typed_name'), name)) {
        throw new FieldProblems({ typed_name: 'This is not the name of the client: nothing was deleted.' });
      }
      await this.care.remove(viewer.person, no);
      return goTo(`/clients/${id}`, 'The client is deleted.');
    } catch (error) {
      return this.page.show(viewer, id, { problem: formProblem(error), sent: 'delete' });
    }
  }

  @Page('change-clients')
  @Post('/clients/:clientId/restore')
  async restore(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
  ): Promise<PageAnswer> {
    const { no } = await this.clients.get({ kind: 'person', person: viewer.person }, id);
    try {
      await this.care.restore(viewer.person, no);
      return goTo(`/clients/${id}`, 'The client is back.');
    } catch (error) {
      return this.page.show(viewer, id, { problem: formProblem(error) });
    }
  }

  private present(person: PersonIdentity, id: string): Promise<ClientWithOwner> {
    return this.clients.getPresent({ kind: 'person', person }, id);
  }
}
