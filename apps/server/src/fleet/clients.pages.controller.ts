import { Controller, Get, Query } from '@nestjs/common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { mayByRole } from '../auth/role-matrix';
import { Database } from '../database/database';
import { parseOrder, queryPage, queryText } from '../pages/list-address';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { STATE_CHOICES } from './client-words';
import { clientsListView } from './clients-list.view';
import { FLEET_COLUMNS } from './fleet.repository';
import { FleetService } from './fleet.service';

const PAGE_CLIENTS = 50;

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
    const choice = {
      search: queryText(query['q']).slice(0, 200),
      status: STATE_CHOICES.find(({ value }) => value === query['status'])?.value ?? '',
      owner: queryText(query['owner']),
      sort: queryText(query['sort']),
    };
    const order = parseOrder(choice.sort, FLEET_COLUMNS, { by: 'name', isDown: false });
    const wanted = choice.search.trim().normalize('NFC');
    const filter = { state: choice.status || null, owner: choice.owner || null, search: wanted || null };
    const view = clientsListView({
      ...(await this.fleet.page(person, { filter, order, page: queryPage(query['page']), size: PAGE_CLIENTS })),
      size: PAGE_CLIENTS,
      owners: await this.fleet.owners(person),
      choice,
      order,
      moments: new Moments(timeZone, await this.database.now()),
      mayEnrol: mayByRole(person.role, 'enrol-clients'),
      mayManage: mayByRole(person.role, 'manage-users'),
      seesCommands: mayByRole(person.role, 'see-details'),
    });
    return showPage('clients/list', { ...view, events: '/events' });
  }
}
