import { Controller, Get, Param, Res } from '@nestjs/common';
import type { Response } from 'express';
import { API, RECORDS_TYPE } from '#common';
import { ForAgents } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent } from '../auth/request-identity';
import { streamAnswer } from '../http/stream-answer';
import { UuidPipe } from '../http/uuid.pipe';
import { VersionsService } from './versions.service';

@Controller()
export class VersionsApiController {
  constructor(private readonly versions: VersionsService) {}

  @ForAgents()
  @Get(API.taskVersions(':taskId'))
  async taskVersions(
    @CurrentAgent() agent: AgentIdentity,
    @Param('taskId', UuidPipe) taskId: string,
    @Res() response: Response,
  ): Promise<void> {
    await streamAnswer(response, RECORDS_TYPE, await this.versions.taskVersions(agent.clientNo, taskId));
  }
}
