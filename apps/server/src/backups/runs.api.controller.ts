import { Body, Controller, Get, HttpCode, Param, Post, Put, Req } from '@nestjs/common';
import type { Request } from 'express';
import {
  AbortRequest,
  API,
  CommitRequest,
  LIMITS,
  RECORDS_TYPE,
  RunProblemsRequest,
  type BatchAnswer,
  type CommitAnswer,
  type RunAnswer,
} from '#common';
import { ForAgents } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent } from '../auth/request-identity';
import { JsonLimit } from '../http/json-bodies';
import { readRawBody } from '../http/raw-body';
import { Sequence } from '../http/sequence.param';
import { UuidPipe } from '../http/uuid.pipe';
import type { RunGrant } from './run-grant';
import { Granted } from './run-grant.param';
import { RunsService } from './runs.service';

const BATCH = { type: RECORDS_TYPE, maxBytes: LIMITS.batchBytes };

@Controller()
export class RunsApiController {
  constructor(private readonly runs: RunsService) {}

  @ForAgents()
  @Get(API.run(':runId'))
  run(@CurrentAgent() agent: AgentIdentity, @Param('runId', UuidPipe) runId: string): Promise<RunAnswer> {
    return this.runs.run(agent, runId);
  }

  @ForAgents()
  @Put('/api/runs/:runId/batches/:sequence')
  async batch(@Granted() run: RunGrant, @Sequence() sequence: number, @Req() request: Request): Promise<BatchAnswer> {
    return this.runs.applyBatch(run, sequence, await readRawBody(request, BATCH));
  }

  @ForAgents()
  @Post(API.problems(':runId'))
  @JsonLimit(LIMITS.jsonBytes)
  @HttpCode(204)
  problems(@Granted() run: RunGrant, @Body() { items }: RunProblemsRequest): Promise<void> {
    return this.runs.addProblems(run, items);
  }

  @ForAgents()
  @Post(API.commit(':runId'))
  @HttpCode(200)
  commit(@Granted() run: RunGrant, @Body() request: CommitRequest): Promise<CommitAnswer> {
    return this.runs.commitRun(run, request);
  }

  @ForAgents()
  @Post(API.abort(':runId'))
  @HttpCode(204)
  abort(@Granted() run: RunGrant, @Body() request: AbortRequest): Promise<void> {
    return this.runs.abortRun(run, request);
  }
}
