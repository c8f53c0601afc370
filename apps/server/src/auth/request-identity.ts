import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { PersonIdentity } from '../users/person-identity';
import type { AgentIdentity } from './agent-identity';

/** Who calls a route that is open to people and to agents. */
export type Caller =
  | { readonly kind: 'person'; readonly person: PersonIdentity }
  | { readonly kind: 'agent'; readonly agent: AgentIdentity };

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

/** Whoever calls; for routes with `@ForPeopleAndAgents`. */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const request = context.switchToHttp().getRequest<Request>();
  const agent = agents.get(request);
  return agent === undefined ? { kind: 'person', person: known(people.get(request)) } : { kind: 'agent', agent };
});

function known<T>(identity: T | undefined): T {
  if (identity === undefined) throw new Error('the route asks for an identity that its access decorator does not give');
  return identity;
}
