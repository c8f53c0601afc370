import { Injectable } from '@nestjs/common';
import type { SignedInViewer } from '../auth/current-viewer';
import { Database } from '../database/database';
import { FleetService } from '../fleet/fleet.service';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { AccountsService } from '../users/accounts.service';
import { usersView } from './user-rows.view';

/** The page of all users. */
@Injectable()
export class UsersListPage {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsService,
    private readonly fleet: FleetService,
  ) {}

  async show({ timeZone }: SignedInViewer): Promise<PageAnswer> {
    const { users } = await this.accounts.list();
    const counts = await this.fleet.countsByOwner();
    return showPage('users/list', usersView(users, counts, new Moments(timeZone, await this.database.now())));
  }
}
