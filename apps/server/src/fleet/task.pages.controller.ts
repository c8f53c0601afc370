import { Body, Controller, Get, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { TaskDefinition } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { PageSignIn } from '../auth/page-sign-in';
import { definitionOf } from '../backups/task-detail';
import { type DefinedTask, TaskDefinitionsService } from '../backups/task-definitions.service';
import { ClientsService } from '../clients/clients.service';
import { DomainError } from '../http/domain-error';
import type { FormFields } from '../pages/form-fields';
import { formProblem } from '../pages/form-problem';
import { goTo, type PageAnswer } from '../pages/page';
import { PageIdPipe } from '../pages/page-id.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { emptyTaskForm, readTaskForm, taskChange, taskFormOf, taskRequest } from './task-form';
import { TaskPage } from './task-page';

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
    return this.page.show(viewer, { clientId, taskId: null, form: emptyTaskForm(viewer.timeZone) });
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
    if (fields.text('do') === 'try') return this.page.show(viewer, { clientId, taskId: null, form });
    try {
      const wanted = taskRequest(form, null);
      const person = await this.confirmed(viewer.person, fields, request, response);
      const { name } = await this.tasks.create(person, client, wanted);
      return goTo(`/clients/${clientId}`, `The task "${name}" is made; the agent is told.`);
    } catch (error) {
      return this.page.show(viewer, { clientId, taskId: null, form }, formProblem(error));
    }
  }

  @Page('change-tasks')
  @Get('/clients/:clientId/tasks/:taskId')
  async edit(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) clientId: string,
    @Param('taskId', PageIdPipe) taskId: string,
  ): Promise<PageAnswer> {
    const { name, definition } = await this.taskOf(viewer.person, clientId, taskId);
    const form = definition === null ? emptyTaskForm(viewer.timeZone) : taskFormOf(name, definition, viewer.timeZone);
    return this.page.show(viewer, { clientId, taskId, form: { ...form, name } });
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
    const { definition } = await this.taskOf(viewer.person, clientId, taskId);
    const client = await this.clients.getPresent({ kind: 'person', person: viewer.person }, clientId);
    const form = readTaskForm(fields);
    if (fields.text('do') === 'try') return this.page.show(viewer, { clientId, taskId, form });
    try {
      const wanted = taskChange(form, definition);
      const person = await this.confirmed(viewer.person, fields, request, response);
      const { name } = await this.tasks.change(person, { taskId, client, request: wanted });
      return goTo(`/clients/${clientId}`, `The task "${name}" is changed; the agent is told.`);
    } catch (error) {
      return this.page.show(viewer, { clientId, taskId, form }, formProblem(error));
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

  private confirmed(
    person: PersonIdentity,
    fields: FormFields,
    request: Request,
    response: Response,
  ): Promise<PersonIdentity> {
    const password = fields.text('password');
    return password === '' ? Promise.resolve(person) : this.signIn.confirm(person, password, request, response);
  }

  private async taskOf(
    person: PersonIdentity,
    clientId: string,
    taskId: string,
  ): Promise<Omit<DefinedTask, 'definition'> & { definition: TaskDefinition | null }> {
    const task = await this.tasks.find(person, taskId);
    if (task.clientId !== clientId) throw new DomainError('not-found', 'The client has no such task.');
    return { ...task, definition: definitionOf(task) };
  }
}
