import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { API, RECORDS_TYPE } from '#common';
import { ForAgents } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent } from '../auth/request-identity';
import { holdMemory } from '../http/held-memory';
import { streamAnswer } from '../http/stream-answer';
import { UuidPipe } from '../http/uuid.pipe';
import { WALK_BYTES } from './snapshots-walk';
import { VersionsService } from './versions.service';

@Controller()
export class VersionsApiController {
  constructor(private readonly versions: VersionsService) {}

  @ForAgents()
  @Get(API.taskVersions(':taskId'))
  async taskVersions(
    @CurrentAgent() agent: AgentIdentity,
    @Param('taskId', UuidPipe) taskId: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    holdMemory(request, WALK_BYTES);
    await streamAnswer(response, RECORDS_TYPE, await this.versions.taskVersions(agent.clientNo, taskId));
  }
}
