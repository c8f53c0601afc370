import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post } from '@nestjs/common';
import {
  API,
  ChangeTaskRequest,
  CreateTaskRequest,
  LIMITS,
  type RunCommandAnswer,
  type TaskDetail,
  type TasksAnswer,
} from '#common';
import { ForPeople } from '../auth/access';
import { CurrentPerson } from '../auth/request-identity';
import { isOnline } from '../clients/client-status';
import { ClientsService, type ClientWithOwner } from '../clients/clients.service';
import { Database } from '../database/database';
import { JsonLimit } from '../http/json-bodies';
import { UuidPipe } from '../http/uuid.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { type Commanded, RunQueueService } from './run-queue.service';
import { TaskDefinitionsService } from './task-definitions.service';

/** Tasks, for people. */
@Controller()
export class TaskDefinitionsApiController {
  constructor(
    private readonly tasks: TaskDefinitionsService,
    private readonly clients: ClientsService,
    private readonly queue: RunQueueService,
    private readonly database: Database,
  ) {}

  @ForPeople('see-status')
  @Get(API.tasks(':clientId'))
  async list(@CurrentPerson() person: PersonIdentity, @Param('clientId', UuidPipe) id: string): Promise<TasksAnswer> {
    const { no } = await this.clients.get({ kind: 'person', person }, id);
    return { tasks: await this.tasks.listOfClient(person, no) };
  }

  @ForPeople('change-tasks')
  @Post(API.tasks(':clientId'))
  @JsonLimit(LIMITS.jsonBytes)
  async create(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Body() request: CreateTaskRequest,
  ): Promise<TaskDetail> {
    return this.tasks.create(person, await this.clients.getPresent({ kind: 'person', person }, id), request);
  }

  @ForPeople('see-status')
  @Get(API.taskDetail(':taskId'))
  get(@CurrentPerson() person: PersonIdentity, @Param('taskId', UuidPipe) id: string): Promise<TaskDetail> {
    return this.tasks.get(person, id);
  }

  @ForPeople('change-tasks')
  @Patch(API.taskDetail(':taskId'))
  @JsonLimit(LIMITS.jsonBytes)
  async change(
    @CurrentPerson() person: PersonIdentity,
    @Param('taskId', UuidPipe) taskId: string,
    @Body() request: ChangeTaskRequest,
  ): Promise<TaskDetail> {
    const client = await this.clientOf(person, (await this.tasks.find(person, taskId)).clientId);
    return this.tasks.change(person, { taskId, client, request });
  }

  @ForPeople('change-tasks')
  @Delete(API.taskDetail(':taskId'))
  remove(@CurrentPerson() person: PersonIdentity, @Param('taskId', UuidPipe) id: string): Promise<TaskDetail> {
    return this.tasks.remove(person, id);
  }

  @ForPeople('change-tasks')
  @Post(`${API.taskDetail(':taskId')}/restore`)
  @HttpCode(200)
  restore(@CurrentPerson() person: PersonIdentity, @Param('taskId', UuidPipe) id: string): Promise<TaskDetail> {
    return this.tasks.restore(person, id);
  }

  @ForPeople('control-runs')
  @Post(`${API.taskDetail(':taskId')}/run`)
  @HttpCode(202)
  async run(@CurrentPerson() person: PersonIdentity, @Param('taskId', UuidPipe) id: string): Promise<RunCommandAnswer> {
    const task = await this.tasks.find(person, id);
    const client = await this.clientOf(person, task.clientId);
    return this.answer(client, await this.queue.runNow(person, task));
  }

  @ForPeople('control-runs')
  @Post(`${API.taskDetail(':taskId')}/cancel`)
  @HttpCode(202)
  async cancel(
    @CurrentPerson() person: PersonIdentity,
    @Param('taskId', UuidPipe) id: string,
  ): Promise<RunCommandAnswer> {
    const task = await this.tasks.find(person, id);
    const client = await this.clientOf(person, task.clientId);
    return this.answer(client, await this.queue.cancel(person, task));
  }

  private clientOf(person: PersonIdentity, clientId: string): Promise<ClientWithOwner> {
    return this.clients.getPresent({ kind: 'person', person }, clientId);
  }

  private async answer(client: ClientWithOwner, commanded: Commanded): Promise<RunCommandAnswer> {
    return { ...commanded, isAgentOnline: isOnline(client, await this.database.now()) };
  }
}
