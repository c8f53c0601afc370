import { Controller, Param, Post } from '@nestjs/common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { RunQueueService } from '../backups/run-queue.service';
import { type DefinedTask, TaskDefinitionsService } from '../backups/task-definitions.service';
import { DomainError } from '../http/domain-error';
import { formProblem } from '../pages/form-problem';
import { goTo, type PageAnswer } from '../pages/page';
import { PageIdPipe } from '../pages/page-id.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { ClientPage } from './client-page';

/** Runs now, and ends runs, from a client's page. */
@Controller()
export class RunPagesController {
  constructor(
    private readonly page: ClientPage,
    private readonly tasks: TaskDefinitionsService,
    private readonly queue: RunQueueService,
  ) {}

  @Page('control-runs')
  @Post('/clients/:clientId/tasks/:taskId/run')
  async run(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) clientId: string,
    @Param('taskId', PageIdPipe) taskId: string,
  ): Promise<PageAnswer> {
    const task = await this.taskOf(viewer.person, clientId, taskId);
    try {
      await this.queue.runNow(viewer.person, task);
      return goTo(`/clients/${clientId}`, `A run of "${task.name}" is in the queue; the agent is told.`);
    } catch (error) {
      return this.page.show(viewer, clientId, { problem: formProblem(error) });
    }
  }

  @Page('control-runs')
  @Post('/clients/:clientId/tasks/:taskId/cancel')
  async cancel(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) clientId: string,
    @Param('taskId', PageIdPipe) taskId: string,
  ): Promise<PageAnswer> {
    const task = await this.taskOf(viewer.person, clientId, taskId);
    try {
      const { state } = await this.queue.cancel(viewer.person, task);
      const words = state === 'running' ? 'The agent is told to end the run.' : 'The run that waited is cancelled.';
      return goTo(`/clients/${clientId}`, words);
    } catch (error) {
      return this.page.show(viewer, clientId, { problem: formProblem(error) });
    }
  }

  private async taskOf(person: PersonIdentity, clientId: string, taskId: string): Promise<DefinedTask> {
    const task = await this.tasks.find(person, taskId);
    if (task.clientId !== clientId) throw new DomainError('not-found', 'The client has no such task.');
    return task;
  }
}
