import { Controller, Get, Param, Query } from '@nestjs/common';
import { API, RunProblemsQuery, RunsQuery, type RunProblemsAnswer, type RunsAnswer } from '#common';
import { ForAgents } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent } from '../auth/request-identity';
import { UuidPipe } from '../http/uuid.pipe';
import { RunHistoryService } from './run-history.service';

@Controller()
export class RunHistoryApiController {
  constructor(private readonly history: RunHistoryService) {}

  @ForAgents()
  @Get(API.runs)
  runs(@CurrentAgent() agent: AgentIdentity, @Query() { cursor, limit }: RunsQuery): Promise<RunsAnswer> {
    return this.history.listRuns(agent.clientNo, cursor, limit);
  }

  @ForAgents()
  @Get(API.problems(':runId'))
  problems(
    @CurrentAgent() agent: AgentIdentity,
    @Param('runId', UuidPipe) runId: string,
    @Query() { cursor, limit }: RunProblemsQuery,
  ): Promise<RunProblemsAnswer> {
    return this.history.listProblems(agent.clientNo, runId, cursor, limit);
  }
}
