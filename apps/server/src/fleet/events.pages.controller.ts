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
    @CurrentViewer() viewer: SignedInViewer,
    @Query('client') client: unknown,
    @Res() response: Response,
  ): Promise<void> {
    const { person } = viewer;
    const id = queryText(client);
    if (id !== '') {
      const { no } = await this.clients.get({ kind: 'person', person }, id);
      this.events.open(response, viewer, (clientNo) => clientNo === no);
    } else if (ownerBoundOf(person) === null) {
      this.events.open(response, viewer, () => true);
    } else {
      const own = new Set(await this.clients.numbersOf(person));
      this.events.open(response, viewer, (clientNo) => own.has(clientNo));
    }
  }
}
