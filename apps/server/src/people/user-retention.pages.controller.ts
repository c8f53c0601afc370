import { Body, Controller, Param, Post } from '@nestjs/common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import type { FormFields } from '../pages/form-fields';
import { formProblem } from '../pages/form-problem';
import { goTo, type PageAnswer } from '../pages/page';
import { PageIdPipe } from '../pages/page-id.pipe';
import { RetentionPoliciesService } from '../retention/retention-policies.service';
import { RetentionSimulation } from '../retention/retention-simulation';
import { AccountsService } from '../users/accounts.service';
import { policyRequest } from './policy-form';
import { UserPage } from './user-page';

/** What is kept of a user's backups: tried on what he really has, then saved. */
@Controller()
export class UserRetentionPagesController {
  constructor(
    private readonly page: UserPage,
    private readonly accounts: AccountsService,
    private readonly policies: RetentionPoliciesService,
    private readonly simulation: RetentionSimulation,
  ) {}

  @Page('manage-users')
  @Post('/users/:userId/retention')
  async set(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('userId', PageIdPipe) id: string,
    @Body() fields: FormFields,
  ): Promise<PageAnswer> {
    await this.accounts.get(id);
    try {
      const request = policyRequest(fields);
      if (fields.text('do') === 'save') {
        await this.policies.replace(viewer.person, 'users', id, request);
        return goTo(`/users/${id}`, 'The policy is saved; the next application of retention goes by it.');
      }
      const report = await this.simulation.simulate(viewer.person, { level: 'users', id }, request);
      return await this.page.show(viewer, id, { policy: fields, report });
    } catch (error) {
      return this.page.show(viewer, id, { problem: formProblem(error), policy: fields });
    }
  }
}
