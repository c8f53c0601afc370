import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { PersonIdentity } from '../users/person-identity';
import type { AgentIdentity } from './agent-identity';

// Beside the requests, not on them: nothing that a request carries can pose as an identity.
const agents = new WeakMap<Request, AgentIdentity>();
const people = new WeakMap<Request, PersonIdentity>();

export function setAgent(request: Request, agent: AgentIdentity): void {
  agents.set(request, agent);
}

export function setPerson(request: Request, person: PersonIdentity): void {
  people.set(request, person);
}

/** The agent that a request of a `@ForAgents` route comes from. */
export function agentOf(request: Request): AgentIdentity {
  return known(agents.get(request));
}

/** The agent's identity; for routes with `@ForAgents`. */
export const CurrentAgent = createParamDecorator((_: unknown, context: ExecutionContext) =>
  agentOf(context.switchToHttp().getRequest<Request>()),
);

/** The person's identity; for routes with `@ForPeople`. */
export const CurrentPerson = createParamDecorator((_: unknown, context: ExecutionContext) =>
  known(people.get(context.switchToHttp().getRequest<Request>())),
);

function known<T>(identity: T | undefined): T {
  if (identity === undefined) throw new Error('the route asks for an identity that its access decorator does not give');
  return identity;
}
