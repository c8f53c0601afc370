import { Body, Controller, Get, Param, Post, Put, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import {
  API,
  LIMITS,
  OpenTaskRequest,
  RECORDS_TYPE,
  StartRunRequest,
  type StartRunAnswer,
  type TaskAnswer,
} from '#common';
import { ForAgents } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent } from '../auth/request-identity';
import { holdMemory } from '../http/held-memory';
import { JsonLimit } from '../http/json-bodies';
import { streamAnswer } from '../http/stream-answer';
import { UuidPipe } from '../http/uuid.pipe';
import { RunsService } from './runs.service';
import { WALK_BYTES } from './snapshots-walk';
import { SnapshotsService } from './snapshots.service';
import { TaskDefinitionsService } from './task-definitions.service';
import { TasksService } from './tasks.service';

@Controller()
export class TasksApiController {
  constructor(
    private readonly tasks: TasksService,
    private readonly definitions: TaskDefinitionsService,
    private readonly runs: RunsService,
    private readonly snapshots: SnapshotsService,
  ) {}

  @ForAgents()
  @Put('/api/clients/me/tasks/:name')
  @JsonLimit(LIMITS.jsonBytes)
  async openTask(
    @CurrentAgent() agent: AgentIdentity,
    @Param('name') name: string,
    @Body() { definition }: OpenTaskRequest,
  ): Promise<TaskAnswer> {
    const task = await this.tasks.openTask(agent.clientNo, name);
    return definition === undefined ? task : this.definitions.openOwn(agent, name, definition);
  }

  @ForAgents()
  @Post(API.startRun(':taskId'))
  @JsonLimit(LIMITS.jsonBytes)
  startRun(
    @CurrentAgent() agent: AgentIdentity,
    @Param('taskId', UuidPipe) taskId: string,
    @Body() request: StartRunRequest,
  ): Promise<StartRunAnswer> {
    return this.runs.startRun(agent, taskId, request);
  }

  @ForAgents()
  @Get(API.taskIndex(':taskId'))
  async index(
    @CurrentAgent() agent: AgentIdentity,
    @Param('taskId', UuidPipe) taskId: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    holdMemory(request, WALK_BYTES);
    await streamAnswer(response, RECORDS_TYPE, await this.snapshots.taskIndex(agent.clientNo, taskId));
  }
}
