import { Injectable } from '@nestjs/common';
import type { SignedInViewer } from '../auth/current-viewer';
import { mayByRole } from '../auth/role-matrix';
import { DamageService } from '../backups/damage.service';
import { ServerSettings } from '../config/server-settings';
import { FleetService } from '../fleet/fleet.service';
import { MaintenanceService } from '../maintenance/maintenance.service';
import type { FormProblem } from '../pages/form-problem';
import { queryPage, queryText } from '../pages/list-address';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { FreeSpace } from '../storage/free-space';
import { ownerBoundOf } from '../users/person-identity';
import { ClientsSpace } from './clients-space';
import { SpaceFiguresService } from './space-figures';
import { shownClients, storageView, type StorageCare } from './storage.view';
import { Database } from '../database/database';

/** Where the page reads what only who looks after everything sees. */
@Injectable()
export class StorageCareReading {
  constructor(
    private readonly maintenance: MaintenanceService,
    private readonly damage: DamageService,
    private readonly freeSpace: FreeSpace,
    private readonly settings: ServerSettings,
  ) {}

  async read(): Promise<StorageCare> {
    return {
      maintenance: await this.maintenance.describe(),
      damagedChunks: await this.damage.countChunks(),
      // A disk that cannot be asked is told by /health/ready.
      disk: await this.freeSpace.least().catch(() => null),
      timeZone: this.settings.timeZone,
    };
  }
}

/** The page of the storage, with what was wrong with a form of it. */
@Injectable()
export class StoragePage {
  constructor(
    private readonly database: Database,
    private readonly space: SpaceFiguresService,
    private readonly clientsSpace: ClientsSpace,
    private readonly fleet: FleetService,
    private readonly care: StorageCareReading,
  ) {}

  async show(
    { person, timeZone }: SignedInViewer,
    { query = {}, problem = null }: { query?: Readonly<Record<string, unknown>>; problem?: FormProblem | null },
  ): Promise<PageAnswer> {
    const facts = {
      figures: await this.space.get(person),
      clients: await this.fleet.names(person),
      owners: await this.space.owners(person),
      isOwn: ownerBoundOf(person) !== null,
      care: mayByRole(person.role, 'maintain') ? await this.care.read() : null,
      choice: { sort: queryText(query['sort']), page: queryPage(query['page']) },
      moments: new Moments(timeZone, await this.database.now()),
    };
    const view = storageView(facts, await this.clientsSpace.of(shownClients(facts)));
    return showPage('storage/storage', view, { problem });
  }
}
