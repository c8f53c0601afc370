import { Body, Controller, Get, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { API, HistoryRequest, LIMITS, RECORDS_TYPE, type HistoryAnswer, type SnapshotsAnswer } from '#common';
import { ForAgents } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent } from '../auth/request-identity';
import { holdMemory } from '../http/held-memory';
import { JsonLimit } from '../http/json-bodies';
import { PathQuery } from '../http/path-query';
import { streamAnswer } from '../http/stream-answer';
import { UuidPipe } from '../http/uuid.pipe';
import { WALK_BYTES } from './snapshots-walk';
import { SnapshotsService } from './snapshots.service';

@Controller()
export class SnapshotsApiController {
  constructor(private readonly snapshots: SnapshotsService) {}

  @ForAgents()
  @Get(API.snapshots)
  list(@CurrentAgent() agent: AgentIdentity): Promise<SnapshotsAnswer> {
    return this.snapshots.listSnapshots(agent.clientNo);
  }

  @ForAgents()
  @Post(API.history)
  @JsonLimit(LIMITS.jsonBytes)
  @HttpCode(200)
  history(@CurrentAgent() agent: AgentIdentity, @Body() { pathBase64 }: HistoryRequest): Promise<HistoryAnswer> {
    return this.snapshots.history(agent.clientNo, Buffer.from(pathBase64, 'base64'));
  }

  @ForAgents()
  @Get(API.entries(':runId'))
  async entries(
    @CurrentAgent() agent: AgentIdentity,
    @Param('runId', UuidPipe) runId: string,
    @PathQuery() path: Buffer,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    holdMemory(request, WALK_BYTES);
    await streamAnswer(response, RECORDS_TYPE, await this.snapshots.entries(agent.clientNo, runId, path));
  }

  @ForAgents()
  @Get(API.listing(':runId'))
  async listing(
    @CurrentAgent() agent: AgentIdentity,
    @Param('runId', UuidPipe) runId: string,
    @PathQuery() path: Buffer,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    holdMemory(request, WALK_BYTES);
    await streamAnswer(response, RECORDS_TYPE, await this.snapshots.listing(agent.clientNo, runId, path));
  }
}
