import { Controller, Get } from '@nestjs/common';
import { ClientsQuery } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { mayByRole } from '../auth/role-matrix';
import { Database } from '../database/database';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { dashboardView } from './dashboard.view';
import { FleetService } from './fleet.service';

/** How all is, on one page. */
@Controller()
export class DashboardPagesController {
  constructor(
    private readonly fleet: FleetService,
    private readonly database: Database,
  ) {}

  @Page('see-status')
  @Get('/')
  async show(@CurrentViewer() { person, timeZone }: SignedInViewer): Promise<PageAnswer> {
    const { clients } = await this.fleet.list(person, new ClientsQuery());
    const moments = new Moments(timeZone, await this.database.now());
    const mayEnrol = mayByRole(person.role, 'enrol-clients');
    return showPage('dashboard', { ...dashboardView({ clients, moments, mayEnrol }), events: '/events' });
  }
}
