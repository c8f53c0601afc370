import { Controller, Get } from '@nestjs/common';
import { ClientsQuery } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { mayByRole } from '../auth/role-matrix';
import { DamageService } from '../backups/damage.service';
import { TaskDefinitionsService } from '../backups/task-definitions.service';
import { Database } from '../database/database';
import { DeletionGuard } from '../guards/deletion-guard';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { dashboardView, type ServerCare } from './dashboard.view';
import { FleetService } from './fleet.service';

/** How all is, on one page. */
@Controller()
export class DashboardPagesController {
  constructor(
    private readonly fleet: FleetService,
    private readonly tasks: TaskDefinitionsService,
    private readonly guard: DeletionGuard,
    private readonly damage: DamageService,
    private readonly database: Database,
  ) {}

  @Page('see-status')
  @Get('/')
  async show(@CurrentViewer() { person, timeZone }: SignedInViewer): Promise<PageAnswer> {
    const { clients } = await this.fleet.list(person, new ClientsQuery());
    const moments = new Moments(timeZone, await this.database.now());
    const mayEnrol = mayByRole(person.role, 'enrol-clients');
    const tasks = await this.tasks.listPresent(person);
    const care = mayByRole(person.role, 'maintain') ? await this.care() : null;
    return showPage('dashboard', {
      ...dashboardView({ clients, tasks, care, moments, mayEnrol }),
      events: '/events',
    });
  }

  private async care(): Promise<ServerCare> {
    return { stops: await this.guard.state(), damagedChunks: await this.damage.countChunks() };
  }
}
