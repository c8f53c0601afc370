import { Body, Controller, Get, Post } from '@nestjs/common';
import { CreateEnrolmentCodeRequest, newNameFault } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { ClientsService } from '../clients/clients.service';
import { EnrolmentCodesService } from '../clients/enrolment-codes.service';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import type { FormFields } from '../pages/form-fields';
import { FieldProblems, formProblem, requestOf, type FormProblem } from '../pages/form-problem';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { ServedCertificate } from '../tls/served-certificate';
import { enrolmentView } from './enrolment.view';

/** A plain code would be refused on the machine. */
const TAKEN = {
  present: 'There is a client of this name. To put its machine up again, make a new secret on its page.',
  deleted: 'A client of this name was deleted. Bring it back on its page, or choose another name.',
};
const SENTENCES = { username: 'The name of a user.' };

interface NewClientForm {
  readonly name: string;
  readonly username: string;
  readonly paths: string;
}

/** Adding a machine: a code that enrols it once, and the commands that use it. */
@Controller()
export class NewClientPagesController {
  constructor(
    private readonly codes: EnrolmentCodesService,
    private readonly clients: ClientsService,
    private readonly settings: ServerSettings,
    private readonly database: Database,
    private readonly certificate: ServedCertificate,
  ) {}

  @Page('enrol-clients')
  @Get('/clients/new')
  empty(@CurrentViewer() { person }: SignedInViewer): PageAnswer {
    return this.form({ name: '', username: person.username, paths: '/home' }, person.role === 'admin', null);
  }

  @Page('enrol-clients')
  @Post('/clients/new')
  async create(@CurrentViewer() { person, timeZone }: SignedInViewer, @Body() fields: FormFields): Promise<PageAnswer> {
    const username = fields.optional('username') ?? person.username;
    const form = { name: fields.text('name').trim(), username, paths: fields.text('paths').trim() };
    try {
      const fault = newNameFault(form.name);
      if (fault !== null) throw new FieldProblems({ name: fault });
      const found = await this.clients.findNamed(person, form).catch(ownerProblem);
      if (found !== null) throw new FieldProblems({ name: TAKEN[found] });
      const request = requestOf(CreateEnrolmentCodeRequest, { username }, SENTENCES);
      const { code, expiresAtMs } = await this.codes.create(person, request).catch(ownerProblem);
      const moments = new Moments(timeZone, await this.database.now());
      // Not behind a redirect: the code is shown this once and kept nowhere.
      const { publicUrl: serverUrl, trustProxy } = this.settings;
      const { fingerprint, isSelfSigned } = this.certificate;
      // Behind a proxy machines are shown the proxy's, which nobody knows here.
      const certificate = fingerprint === null || trustProxy !== null ? null : { fingerprint, isSelfSigned };
      const view = enrolmentView({ ...form, code, expiresAtMs, serverUrl, certificate, moments });
      return showPage('clients/enrolment', view);
    } catch (error) {
      return this.form(form, person.role === 'admin', formProblem(error));
    }
  }

  private form(form: NewClientForm, choosesOwner: boolean, problem: FormProblem | null): PageAnswer {
    return showPage('clients/new', { title: 'Add a client', form, choosesOwner }, { problem });
  }
}

/** The owner is a field of the form: that there is nobody of this name is no page that is not there. */
function ownerProblem(error: unknown): never {
  if (!(error instanceof DomainError) || error.kind !== 'not-found') throw error;
  throw new FieldProblems({ username: 'There is no such user.' });
}
