import { Controller, Get, Query } from '@nestjs/common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { Database } from '../database/database';
import { queryPlace, queryText } from '../pages/list-address';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { AuditService } from './audit.service';
import { auditView } from './audit.view';

/** Who did what, and from where. */
@Controller()
export class AuditPagesController {
  constructor(
    private readonly audit: AuditService,
    private readonly database: Database,
  ) {}

  @Page('see-audit')
  @Get('/audit')
  async show(
    @CurrentViewer() { timeZone }: SignedInViewer,
    @Query() query: Readonly<Record<string, unknown>>,
  ): Promise<PageAnswer> {
    const words = {
      action: queryText(query['action']).trim(),
      who: queryText(query['who']).trim(),
      target: queryText(query['target']).trim(),
    };
    const before = queryPlace(query['before']);
    const found = await this.audit.search(words, before);
    return showPage(
      'audit/audit',
      auditView(found, { words, before }, new Moments(timeZone, await this.database.now())),
    );
  }
}
