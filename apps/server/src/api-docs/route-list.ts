import { RequestMethod } from '@nestjs/common';
import type { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { ACCESS, AGENT_PROTOCOL, type Access } from '../auth/access';

type ApiAccess = Exclude<Access, { kind: 'page' | 'public-page' }>;

/** What is for programs; the pages for people are no part of the API. */
const OURS = /^\/(api|health|metrics)(\/|$)/;

export interface Route {
  readonly method: string;
  /** With `{name}` for its parameters. */
  readonly path: string;
  readonly parameters: readonly string[];
  /** `Controller.method` */
  readonly handler: string;
  readonly access: ApiAccess | null;
  /** Only agents call it, whatever its access. */
  readonly isForAgents: boolean;
  /** Status of a good answer. */
  readonly status: number;
}

/** Every route of the API, by what Nest makes its router from. Sorted by path. */
export function listRoutes(discovery: DiscoveryService, scanner: MetadataScanner, reflector: Reflector): Route[] {
  const routes = discovery.getControllers().flatMap(({ instance, metatype }) => {
    if (metatype === null || typeof instance !== 'object' || instance === null) return [];
    const prototype = Object.getPrototypeOf(instance) as Record<string, unknown>;
    return scanner.getAllMethodNames(prototype).flatMap((name) => {
      const handler = prototype[name] as () => unknown;
      const path = reflector.get<string | undefined>('path', handler);
      const method = RequestMethod[reflector.get<RequestMethod>('method', handler)] as string | undefined;
      if (path === undefined || method === undefined || !OURS.test(path)) return [];
      const access = reflector.get<Access | undefined>(ACCESS, handler) ?? null;
      if (access?.kind === 'page' || access?.kind === 'public-page') return [];
      const names = [...path.matchAll(/:(\w+)/g)].map(([, parameter = '']) => parameter);
      return [
        {
          method,
          path: path.replace(/:(\w+)/g, '{$1}'),
          parameters: names,
          handler: `${metatype.name}.${name}`,
          access,
          isForAgents:
            access?.kind === 'agents' || reflector.get<boolean | undefined>(AGENT_PROTOCOL, handler) === true,
          status: reflector.get<number | undefined>('__httpCode__', handler) ?? (method === 'POST' ? 201 : 200),
        },
      ];
    });
  });
  return routes.sort((a, b) => (a.path + a.method < b.path + b.method ? -1 : 1));
}
