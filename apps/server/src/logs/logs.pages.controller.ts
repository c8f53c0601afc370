import { Controller, Get, Query } from '@nestjs/common';
import { LOG_LEVELS } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { Database } from '../database/database';
import { queryPlace, queryText } from '../pages/list-address';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { LogsService } from './logs.service';
import { logsView } from './logs.view';

/** What all agents said. */
@Controller()
export class LogsPagesController {
  constructor(
    private readonly logs: LogsService,
    private readonly database: Database,
  ) {}

  @Page('see-details')
  @Get('/logs')
  async show(
    @CurrentViewer() { person, timeZone }: SignedInViewer,
    @Query() query: Readonly<Record<string, unknown>>,
  ): Promise<PageAnswer> {
    const choice = {
      level: LOG_LEVELS.find((level) => level === query['level']) ?? 'debug',
      search: queryText(query['q']),
      client: queryText(query['client']).trim(),
      before: queryPlace(query['before']),
    };
    const found = await this.logs.listAll(person, choice);
    return showPage('logs/logs', logsView(found, choice, new Moments(timeZone, await this.database.now())));
  }
}
