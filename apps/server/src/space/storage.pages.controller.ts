import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { DELETION_STOPS, MAINTENANCE_JOBS } from '#common';
import { actorOf } from '../audit/actor';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { DeletionGuard } from '../guards/deletion-guard';
import { DomainError } from '../http/domain-error';
import { MaintenanceService } from '../maintenance/maintenance.service';
import type { FormFields } from '../pages/form-fields';
import { formProblem } from '../pages/form-problem';
import { goTo, type PageAnswer } from '../pages/page';
import { JOB_WORDS } from './job-words';
import { StoragePage } from './storage-page';

/** What is stored, and what looks after it. */
@Controller()
export class StoragePagesController {
  constructor(
    private readonly page: StoragePage,
    private readonly maintenance: MaintenanceService,
    private readonly guard: DeletionGuard,
  ) {}

  @Page('see-status')
  @Get('/storage')
  show(
    @CurrentViewer() viewer: SignedInViewer,
    @Query() query: Readonly<Record<string, unknown>>,
  ): Promise<PageAnswer> {
    return this.page.show(viewer, { query });
  }

  @Page('maintain')
  @Post('/storage/jobs/:job')
  async run(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('job') name: string,
    @Body() fields: FormFields,
  ): Promise<PageAnswer> {
    const job = MAINTENANCE_JOBS.find((known) => known === name);
    if (job === undefined) throw new DomainError('not-found', 'There is nothing at this address.');
    const isDryRun = fields.text('how') === 'dry-run';
    const { label } = JOB_WORDS[job];
    try {
      await this.maintenance.start(job, {
        ...{ trigger: 'person', isDryRun, isFull: fields.isChecked('full') },
        by: actorOf(viewer.person),
      });
      return goTo(
        '/storage',
        isDryRun
          ? `${label}: a dry run has begun, which tells what would be done and changes nothing.`
          : `${label} has begun.`,
      );
    } catch (error) {
      return this.page.show(viewer, { problem: formProblem(error) });
    }
  }

  @Page('maintain')
  @Post('/storage/stops/:kind/acknowledge')
  async acknowledge(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('kind') name: string,
    @Body() fields: FormFields,
  ): Promise<PageAnswer> {
    const kind = DELETION_STOPS.find((known) => known === name);
    if (kind === undefined) throw new DomainError('not-found', 'There is nothing at this address.');
    try {
      await this.guard.acknowledge(viewer.person, kind, fields.text('state'));
      return goTo('/storage', 'Acknowledged: it stops nothing any more.');
    } catch (error) {
      return this.page.show(viewer, { problem: formProblem(error) });
    }
  }
}
