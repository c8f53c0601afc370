import { Injectable } from '@nestjs/common';
import type { SignedInViewer } from '../auth/current-viewer';
import { Database } from '../database/database';
import type { FormProblem } from '../pages/form-problem';
import { showPage, type PageAnswer } from '../pages/page';
import { ClientConfigService } from './client-config.service';
import { FleetService } from './fleet.service';
import type { TaskForm } from './task-form';
import { type DeletedTask, taskFormView } from './task-form.view';

/** The form of a task, with what was wrong with it. */
@Injectable()
export class TaskPage {
  constructor(
    private readonly database: Database,
    private readonly fleet: FleetService,
    private readonly configs: ClientConfigService,
  ) {}

  async show(
    { person, timeZone }: SignedInViewer,
    { clientId, ...task }: { clientId: string; taskId: string | null; deleted: DeletedTask | null; form: TaskForm },
    problem: FormProblem | null = null,
  ): Promise<PageAnswer> {
    const view = taskFormView({
      ...task,
      client: await this.fleet.get(person, clientId),
      nowMs: await this.database.now(),
      viewerZone: timeZone,
      isFresh: this.configs.isFresh(person),
    });
    return showPage('clients/task', view, { problem });
  }
}
