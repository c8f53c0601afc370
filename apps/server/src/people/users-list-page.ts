import { Injectable } from '@nestjs/common';
import { ClientsQuery } from '#common';
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

  async show({ person, timeZone }: SignedInViewer): Promise<PageAnswer> {
    const { users } = await this.accounts.list();
    const { clients } = await this.fleet.list(person, new ClientsQuery());
    const counts = new Map<string, number>();
    for (const { owner } of clients) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    return showPage('users/list', usersView(users, counts, new Moments(timeZone, await this.database.now())));
  }
}
