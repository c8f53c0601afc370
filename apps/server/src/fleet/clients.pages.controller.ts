import { Controller, Get, Query } from '@nestjs/common';
import { ClientsQuery } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { mayByRole } from '../auth/role-matrix';
import { Database } from '../database/database';
import { queryPage, queryText } from '../pages/list-address';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { STATUS_CHOICES } from './client-words';
import { clientsListView } from './clients-list.view';
import { FleetService } from './fleet.service';

/** The fleet as a list. */
@Controller()
export class ClientsPagesController {
  constructor(
    private readonly fleet: FleetService,
    private readonly database: Database,
  ) {}

  @Page('see-status')
  @Get('/clients')
  async list(
    @CurrentViewer() { person, timeZone }: SignedInViewer,
    @Query() query: Readonly<Record<string, unknown>>,
  ): Promise<PageAnswer> {
    const status = STATUS_CHOICES.find(({ value }) => value === query['status'])?.value ?? '';
    const { clients } = await this.fleet.list(person, statusQuery(status));
    const choice = {
      search: queryText(query['q']),
      status,
      owner: queryText(query['owner']),
      sort: queryText(query['sort']),
      page: queryPage(query['page']),
    };
    const moments = new Moments(timeZone, await this.database.now());
    const mayEnrol = mayByRole(person.role, 'enrol-clients');
    return showPage('clients/list', { ...clientsListView(clients, { choice, moments, mayEnrol }), events: '/events' });
  }
}

function statusQuery(status: string): ClientsQuery {
  return Object.assign(new ClientsQuery(), status === '' ? {} : { status });
}
