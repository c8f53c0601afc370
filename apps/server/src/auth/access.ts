import { SetMetadata, type CustomDecorator } from '@nestjs/common';
import type { Right } from './role-matrix';

/** Who may call a route. A route that says nothing is refused to everybody. */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'people'; readonly right: Right }
  | { readonly kind: 'agents' }
  | { readonly kind: 'either'; readonly right: Right };

export const ACCESS = Symbol('ACCESS');
export const AGENT_PROTOCOL = Symbol('AGENT_PROTOCOL');

/** No credentials needed. */
export const Public = (): CustomDecorator<symbol> => SetMetadata(ACCESS, { kind: 'public' } satisfies Access);

/** People with this right, by the token of `/api/login` or an API token. */
export const ForPeople = (right: Right): CustomDecorator<symbol> =>
  SetMetadata(ACCESS, { kind: 'people', right } satisfies Access);

/** Agents, by the token of `/api/agent/token`, speaking this server's protocol. */
export const ForAgents = (): CustomDecorator<symbol> => SetMetadata(ACCESS, { kind: 'agents' } satisfies Access);

/** People with this right, and agents about themselves. */
export const ForPeopleAndAgents = (right: Right): CustomDecorator<symbol> =>
  SetMetadata(ACCESS, { kind: 'either', right } satisfies Access);

/** A public route that only agents call: their protocol is checked all the same. */
export const AgentProtocol = (): CustomDecorator<symbol> => SetMetadata(AGENT_PROTOCOL, true);
