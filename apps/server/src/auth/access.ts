import { SetMetadata, type CustomDecorator } from '@nestjs/common';
import type { Role } from '#common';

/** Who may call a route. A route that says nothing is refused to everybody. */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'people'; readonly roles: readonly Role[] }
  | { readonly kind: 'agents' };

export const ACCESS = Symbol('ACCESS');
export const AGENT_PROTOCOL = Symbol('AGENT_PROTOCOL');

/** No credentials needed. */
export const Public = (): CustomDecorator<symbol> => SetMetadata(ACCESS, { kind: 'public' } satisfies Access);

/** People with one of these roles, by the token of `/api/login`. */
export const ForPeople = (...roles: [Role, ...Role[]]): CustomDecorator<symbol> =>
  SetMetadata(ACCESS, { kind: 'people', roles } satisfies Access);

/** Agents, by the token of `/api/agent/token`, speaking this server's protocol. */
export const ForAgents = (): CustomDecorator<symbol> => SetMetadata(ACCESS, { kind: 'agents' } satisfies Access);

/** A public route that only agents call: their protocol is checked all the same. */
export const AgentProtocol = (): CustomDecorator<symbol> => SetMetadata(AGENT_PROTOCOL, true);
