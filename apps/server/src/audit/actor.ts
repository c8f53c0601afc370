import type { AgentIdentity } from '../auth/agent-identity';
import type { PersonIdentity } from '../users/person-identity';

/** Who is behind a change. `host`: a command on the server's own machine. */
export interface Actor {
  readonly kind: 'user' | 'client' | 'nobody' | 'host';
  readonly id: string | null;
  readonly name: string | null;
  readonly address: string | null;
}

export const HOST: Actor = { kind: 'host', id: null, name: null, address: null };

export function actorOf(person: PersonIdentity): Actor {
  return { kind: 'user', id: person.userId, name: person.username, address: person.address };
}

export function agentActor(agent: AgentIdentity): Actor {
  return { kind: 'client', id: agent.clientId, name: null, address: null };
}

export function nobodyAt(address: string | null): Actor {
  return { kind: 'nobody', id: null, name: null, address };
}
