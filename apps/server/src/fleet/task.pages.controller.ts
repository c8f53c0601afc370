import { Body, Controller, Get, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { TaskDefinition } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { PageSignIn } from '../auth/page-sign-in';
import { hasCommands } from '../backups/task-definition';
import { definitionOf } from '../backups/task-detail';
import { type DefinedTask, TaskDefinitionsService } from '../backups/task-definitions.service';
import { ClientsService } from '../clients/clients.service';
import { DomainError } from '../http/domain-error';
import type { FormFields } from '../pages/form-fields';
import { type FormProblem, formProblem } from '../pages/form-problem';
import { goTo, type PageAnswer } from '../pages/page';
import { PageIdPipe } from '../pages/page-id.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { emptyTaskForm, readTaskForm, taskChange, taskFormOf, taskRequest } from './task-form';
import type { DeletedTask } from './task-form.view';
import { TaskPage } from './task-page';

type PageTask = Omit<DefinedTask, 'definition'> & { readonly definition: TaskDefinition | null };

/** Making and changing the tasks of a client. */
@Controller()
export class TaskPagesController {
  constructor(
    private readonly page: TaskPage,
    private readonly clients: ClientsService,
    private readonly tasks: TaskDefinitionsService,
    private readonly signIn: PageSignIn,
  ) {}

  @Page('change-tasks')
  @Get('/clients/:clientId/tasks/new')
  empty(@CurrentViewer() viewer: SignedInViewer, @Param('clientId', PageIdPipe) clientId: string): Promise<PageAnswer> {
    return this.page.show(viewer, { clientId, taskId: null, deleted: null, form: emptyTaskForm(viewer.timeZone) });
  }

  @Page('change-tasks')
  @Post('/clients/:clientId/tasks/new')
  async create(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) clientId: string,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    const client = await this.clients.getPresent({ kind: 'person', person: viewer.person }, clientId);
    const form = readTaskForm(fields);
    if (fields.text('do') === 'try') return this.page.show(viewer, { clientId, taskId: null, deleted: null, form });
    try {
      const wanted = taskRequest(form, null);
      const person = await this.confirmed(viewer.person, fields, request, response);
      const { name } = await this.tasks.create(person, client, wanted);
      return goTo(`/clients/${clientId}`, `The task "${name}" is made; the agent is told.`);
    } catch (error) {
      return this.page.show(viewer, { clientId, taskId: null, deleted: null, form }, formProblem(error));
    }
  }

  @Page('change-tasks')
  @Get('/clients/:clientId/tasks/:taskId')
  async edit(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) clientId: string,
    @Param('taskId', PageIdPipe) taskId: string,
  ): Promise<PageAnswer> {
    return this.showTask(viewer, await this.taskOf(viewer.person, clientId, taskId));
  }

  @Page('change-tasks')
  @Post('/clients/:clientId/tasks/:taskId')
  async change(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) clientId: string,
    @Param('taskId', PageIdPipe) taskId: string,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    const { definition, ...task } = await this.taskOf(viewer.person, clientId, taskId);
    const client = await this.clients.getPresent({ kind: 'person', person: viewer.person }, clientId);
    const shown = { clientId, taskId, deleted: deletedOf({ ...task, definition }), form: readTaskForm(fields) };
    if (fields.text('do') === 'try') return this.page.show(viewer, shown);
    try {
      const wanted = taskChange(shown.form, definition, task.name);
      const person = await this.confirmed(viewer.person, fields, request, response);
      const { name } = await this.tasks.change(person, { taskId, client, request: wanted });
      return goTo(`/clients/${clientId}`, `The task "${name}" is changed; the agent is told.`);
    } catch (error) {
      return this.page.show(viewer, shown, formProblem(error));
    }
  }

  @Page('change-tasks')
  @Post('/clients/:clientId/tasks/:taskId/delete')
  async remove(
    @CurrentViewer() { person }: SignedInViewer,
    @Param('clientId', PageIdPipe) clientId: string,
    @Param('taskId', PageIdPipe) taskId: string,
  ): Promise<PageAnswer> {
    const { name } = await this.taskOf(person, clientId, taskId);
    await this.tasks.remove(person, taskId);
    return goTo(`/clients/${clientId}`, `The task "${name}" is deleted.`);
  }

  @Page('change-tasks')
  @Post('/clients/:clientId/tasks/:taskId/restore')
  async restore(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) clientId: string,
    @Param('taskId', PageIdPipe) taskId: string,
    @Body() fields: FormFields,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PageAnswer> {
    const task = await this.taskOf(viewer.person, clientId, taskId);
    await this.clients.getPresent({ kind: 'person', person: viewer.person }, clientId);
    try {
      const person = await this.confirmed(viewer.person, fields, request, response);
      await this.tasks.restore(person, taskId);
      return goTo(`/clients/${clientId}`, `The task "${task.name}" is back; the agent is told.`);
    } catch (error) {
      return this.showTask(viewer, task, formProblem(error));
    }
  }

  private showTask(viewer: SignedInViewer, task: PageTask, problem: FormProblem | null = null): Promise<PageAnswer> {
    const { id: taskId, clientId, name, definition } = task;
    const form = definition === null ? emptyTaskForm(viewer.timeZone) : taskFormOf(name, definition, viewer.timeZone);
    const shown = { clientId, taskId, deleted: deletedOf(task), form: { ...form, name } };
    return this.page.show(viewer, shown, problem);
  }

  private confirmed(
    person: PersonIdentity,
    fields: FormFields,
    request: Request,
    response: Response,
  ): Promise<PersonIdentity> {
    return this.signIn.confirmed(person, { fields, name: 'password' }, request, response);
  }

  private async taskOf(person: PersonIdentity, clientId: string, taskId: string): Promise<PageTask> {
    const task = await this.tasks.find(person, taskId);
    if (task.clientId !== clientId) throw new DomainError('not-found', 'The client has no such task.');
    return { ...task, definition: definitionOf(task) };
  }
}

function deletedOf({ deletedAt, purgeAfter, definition }: PageTask): DeletedTask | null {
  if (deletedAt === null) return null;
  return { restorableUntilMs: purgeAfter, hasCommands: definition !== null && hasCommands(definition) };
}
