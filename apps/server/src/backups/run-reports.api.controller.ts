import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { API, CommandOutputsRequest, LIMITS, MissedRunsRequest, ProgressRequest, type ProgressAnswer } from '#common';
import { ForAgents } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent } from '../auth/request-identity';
import { JsonLimit } from '../http/json-bodies';
import { UuidPipe } from '../http/uuid.pipe';
import type { RunGrant } from './run-grant';
import { Granted } from './run-grant.param';
import { RunQueueService } from './run-queue.service';
import { RunReports } from './run-reports.service';

/** What agents tell of their runs. */
@Controller()
export class RunReportsApiController {
  constructor(
    private readonly reports: RunReports,
    private readonly queue: RunQueueService,
  ) {}

  @ForAgents()
  @Post(API.progress(':runId'))
  @JsonLimit(LIMITS.jsonBytes)
  @HttpCode(200)
  progress(@Granted() run: RunGrant, @Body() request: ProgressRequest): Promise<ProgressAnswer> {
    return this.reports.progress(run, request);
  }

  @ForAgents()
  @Post(API.outputs(':runId'))
  @JsonLimit(LIMITS.jsonBytes)
  @HttpCode(204)
  outputs(@Granted() run: RunGrant, @Body() { outputs }: CommandOutputsRequest): Promise<void> {
    return this.reports.addOutputs(run, outputs);
  }

  @ForAgents()
  @Post(API.missedRuns(':taskId'))
  @HttpCode(204)
  missed(
    @CurrentAgent() agent: AgentIdentity,
    @Param('taskId', UuidPipe) taskId: string,
    @Body() request: MissedRunsRequest,
  ): Promise<void> {
    return this.queue.missed(agent, taskId, request);
  }
}
