import { Controller, Get, Query, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { ClientsService } from '../clients/clients.service';
import { queryText } from '../pages/list-address';
import { ownerBoundOf } from '../users/person-identity';
import { LiveEvents } from './live-events';

/** What keeps open pages up to date: one stream for each. */
@Controller()
export class EventsPagesController {
  constructor(
    private readonly events: LiveEvents,
    private readonly clients: ClientsService,
  ) {}

  /** `client`: only of this one. A user hears of his own only. */
  @Page('see-status')
  @Get('/events')
  async open(
    @CurrentViewer() { person }: SignedInViewer,
    @Query('client') client: unknown,
    @Res() response: Response,
  ): Promise<void> {
    const id = queryText(client);
    if (id !== '') {
      const { no } = await this.clients.get({ kind: 'person', person }, id);
      this.events.open(response, (clientNo) => clientNo === no);
    } else if (ownerBoundOf(person) === null) {
      this.events.open(response, () => true);
    } else {
      const own = new Set((await this.clients.list(person)).map(({ no }) => no));
      this.events.open(response, (clientNo) => own.has(clientNo));
    }
  }
}
