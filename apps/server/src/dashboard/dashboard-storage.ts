import { Injectable } from '@nestjs/common';
import { mayByRole } from '../auth/role-matrix';
import { DamageService } from '../backups/damage.service';
import { MaintenanceService } from '../maintenance/maintenance.service';
import { type OwnerSpace, SpaceFiguresService } from '../space/space-figures';
import { type SpaceOutlook, SpaceService } from '../space/space.service';
import { FreeSpace } from '../storage/free-space';
import type { PersonIdentity } from '../users/person-identity';
import type { ServerCare } from './attention';

interface StorageFacts {
  readonly owners: readonly OwnerSpace[];
  readonly outlook: SpaceOutlook;
  readonly care: ServerCare | null;
}

/** What the dashboard says of what is stored. */
@Injectable()
export class DashboardStorage {
  constructor(
    private readonly space: SpaceFiguresService,
    private readonly maintenance: MaintenanceService,
    private readonly damage: DamageService,
    private readonly freeSpace: FreeSpace,
    private readonly history: SpaceService,
  ) {}

  async read(person: PersonIdentity): Promise<StorageFacts> {
    const owners = await this.space.owners(person);
    const outlook = await this.history.outlook(person);
    if (!mayByRole(person.role, 'maintain')) return { owners, outlook, care: null };
    const care = {
      maintenance: await this.maintenance.describe(),
      damagedChunks: await this.damage.countChunks(),
      // A disk that cannot be asked is told by /health/ready.
      disk: await this.freeSpace.least().catch(() => null),
    };
    return { owners, outlook, care };
  }
}
