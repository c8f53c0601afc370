import { createParamDecorator, Injectable, type ExecutionContext, type PipeTransform } from '@nestjs/common';
import type { Request } from 'express';
import { RUN_TOKEN_HEADER } from '#common';
import type { AgentIdentity } from '../auth/agent-identity';
import { agentOf } from '../auth/request-identity';
import { UuidPipe } from '../http/uuid.pipe';
import type { RunGrant } from './run-grant';
import { RunsService } from './runs.service';

interface RunCall {
  readonly agent: AgentIdentity;
  readonly runId: string;
  readonly token: string;
}

const RunCallOf = createParamDecorator((_: unknown, context: ExecutionContext): RunCall => {
  const request = context.switchToHttp().getRequest<Request>();
  const token = request.headers[RUN_TOKEN_HEADER];
  return {
    agent: agentOf(request),
    runId: new UuidPipe().transform(String(request.params['runId'])),
    token: typeof token === 'string' ? token : '',
  };
});

@Injectable()
class RunGrantPipe implements PipeTransform<RunCall, Promise<RunGrant>> {
  constructor(private readonly runs: RunsService) {}

  transform({ agent, runId, token }: RunCall): Promise<RunGrant> {
    return this.runs.grant(agent, runId, token);
  }
}

/** The right to write under the run `:runId`, by the agent's identity and the run's token; `not-found` or `run-over`. */
export const Granted = (): ParameterDecorator => RunCallOf(RunGrantPipe);
