import { SetMetadata, type CustomDecorator } from '@nestjs/common';
import type { Right } from './role-matrix';

/** Who may call a route. A route that says nothing is refused to everybody. */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'people'; readonly right: Right }
  | { readonly kind: 'agents' }
  | { readonly kind: 'either'; readonly right: Right }
  | { readonly kind: 'page'; readonly right: Right }
  | { readonly kind: 'public-page' };

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

/** A page for people with this right, by the session of their browser; its forms carry a token. */
export const Page = (right: Right): CustomDecorator<symbol> =>
  SetMetadata(ACCESS, { kind: 'page', right } satisfies Access);

/** A page that nobody needs to be signed in for; its forms carry a token all the same. */
export const PublicPage = (): CustomDecorator<symbol> => SetMetadata(ACCESS, { kind: 'public-page' } satisfies Access);

/** A public route that only agents call: their protocol is checked all the same. */
export const AgentProtocol = (): CustomDecorator<symbol> => SetMetadata(AGENT_PROTOCOL, true);
