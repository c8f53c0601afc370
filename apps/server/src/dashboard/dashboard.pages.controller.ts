import { Controller, Get } from '@nestjs/common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { mayByRole } from '../auth/role-matrix';
import { RunHistoryService } from '../backups/run-history.service';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { FleetService } from '../fleet/fleet.service';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { DashboardStorage } from './dashboard-storage';
import { dashboardView, SHOWN_TASKS } from './dashboard.view';

const SHOWN_CLIENTS = 12;
const DAY_MS = 86_400_000;

/** How all is, on one page. */
@Controller()
export class DashboardPagesController {
  constructor(
    private readonly database: Database,
    private readonly fleet: FleetService,
    private readonly runs: RunHistoryService,
    private readonly storage: DashboardStorage,
    private readonly settings: ServerSettings,
  ) {}

  @Page('see-status')
  @Get('/')
  async show(@CurrentViewer() { person, timeZone }: SignedInViewer): Promise<PageAnswer> {
    const filter = { state: null, owner: null, search: null };
    const order = { by: 'status', isDown: false } as const;
    const clients = await this.fleet.page(person, { filter, order, page: 1, size: SHOWN_CLIENTS });
    const nowMs = await this.database.now();
    const view = dashboardView({
      overview: await this.fleet.overview(person, SHOWN_TASKS + 1),
      clients,
      runs: await this.runs.outcomesSince(
        clients.clients.map(({ id }) => id),
        nowMs - DAY_MS,
      ),
      ...(await this.storage.read(person)),
      moments: new Moments(timeZone, nowMs),
      mayEnrol: mayByRole(person.role, 'enrol-clients'),
      mayManage: mayByRole(person.role, 'manage-users'),
      serverUrl: this.settings.publicUrl,
    });
    return showPage('dashboard', { ...view, events: '/events' });
  }
}
