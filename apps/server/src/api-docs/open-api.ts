import { PROTOCOL_HEADER, PROTOCOL_VERSION, PROBLEMS, RUN_TOKEN_HEADER, STATUS_OF_KIND } from '#common';
import { ROLE_MATRIX } from '../auth/role-matrix';
import type { ApiTypes, RouteTypes, Schema } from './api-types';
import { BINARY_ROUTES, type BinaryRoute } from './binary-routes';
import type { Route } from './route-list';

const PROBLEM_TYPE = 'application/problem+json';
const WORDS: Readonly<Record<number, string>> = {
  401: 'No credentials, or none that count',
  403: 'The right is missing, or the sign-in is not fresh enough',
  404: 'It does not exist, or belongs to somebody else',
  409: 'The state is another than the call needs',
  413: 'The body is too large',
  422: 'The request is not what it must be; details.reasons say why',
  429: 'Too many attempts; Retry-After',
  503: 'Database or storage cannot be reached, or work goes on; Retry-After',
};

export interface OpenApi {
  readonly openapi: string;
  readonly info: object;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>>; readonly [part: string]: object };
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly description: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: Schema }>> }>>;
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: Schema;
  readonly description?: string;
}

/** The document of all routes, by OpenAPI 3.1: from the router's metadata, the role matrix, and the types of the sources. */
export function openApi(routes: readonly Route[], types: ApiTypes, version: string): OpenApi {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, types) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Holdfast',
      version,
      description: `The API of the server. Errors are ${PROBLEM_TYPE} (RFC 9457) with a stable \`code\`.`,
    },
    paths,
    components: { schemas: { ...types.schemas, Problem: PROBLEM }, securitySchemes: SECURITY },
  };
}

const PROBLEM: Schema = {
  type: 'object',
  description: 'What every error answer is.',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { enum: Object.keys(PROBLEMS) },
    detail: { type: 'string', description: 'For people.' },
    details: { type: 'object' },
  },
  required: ['type', 'title', 'status', 'code', 'detail'],
};

const SECURITY = {
  person: {
    type: 'http',
    scheme: 'bearer',
    description: 'The token of POST /api/login, or an API token with the scope that the operation names.',
  },
  agent: { type: 'http', scheme: 'bearer', description: 'The token of POST /api/agent/token.' },
  metrics: { type: 'http', scheme: 'bearer', description: 'METRICS_TOKEN; not needed from METRICS_ADDRESSES.' },
};

function operationOf(route: Route, types: ApiTypes): Operation {
  const known: RouteTypes = types.routes[route.handler] ?? { description: '' };
  const binary = BINARY_ROUTES[`${route.method} ${route.path}`] ?? {};
  const body = bodyOf(known, binary);
  return {
    operationId: route.handler.replace(/(Api|Pages)?Controller\./, '.'),
    tags: [tagOf(route)],
    description: [known.description, accessWords(route)].filter((words) => words !== '').join(' '),
    security: securityOf(route),
    parameters: parametersOf(route, queryOf(known, binary, types)),
    ...(body === null ? {} : { requestBody: { required: true, content: body } }),
    responses: responsesOf(route, known, binary),
  };
}

function tagOf({ path }: Route): string {
  return path.split('/').find((part) => part !== '' && part !== 'api') ?? 'api';
}

function accessWords({ access }: Route): string {
  if (access === null) return 'Closed to everybody.';
  if (access.kind === 'public') return '';
  if (access.kind === 'agents') return 'For agents, about their own client.';
  const { roles, scope } = ROLE_MATRIX[access.right];
  const tokens = scope === null ? 'never an API token' : `API tokens with the scope ${scope}`;
  const agents = access.kind === 'either' ? ', and agents about themselves' : '';
  return `For ${roles.join(', ')} (right ${access.right}; ${tokens})${agents}.`;
}

function securityOf({ access, path }: Route): Operation['security'] {
  if (path === '/metrics') return [{ metrics: [] }];
  if (access === null || access.kind === 'public') return [];
  if (access.kind === 'agents') return [{ agent: [] }];
  return access.kind === 'people' ? [{ person: [] }] : [{ person: [] }, { agent: [] }];
}

function queryOf(known: RouteTypes, binary: BinaryRoute, types: ApiTypes): Parameter[] {
  const query = resolved(known.query, types);
  const properties = (query?.['properties'] ?? {}) as Record<string, Schema>;
  const required = (query?.['required'] ?? []) as readonly string[];
  return [
    ...Object.entries(properties).map(
      ([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema }) as const,
    ),
    ...Object.entries(binary.query ?? {}).map(
      ([name, description]) =>
        ({ name, in: 'query', required: false, schema: { type: 'string' }, description }) as const,
    ),
  ];
}

function parametersOf(route: Route, inQuery: readonly Parameter[]): Parameter[] {
  const inPath = route.parameters.map(
    (name) => ({ name, in: 'path', required: true, schema: pathSchema(name) }) as const,
  );
  const headers = route.isForAgents ? [header(PROTOCOL_HEADER, { const: String(PROTOCOL_VERSION) })] : [];
  const isFenced = route.isForAgents && route.path.startsWith('/api/runs/') && route.method !== 'GET';
  return [...inPath, ...inQuery, ...headers, ...(isFenced ? [header(RUN_TOKEN_HEADER, { type: 'string' })] : [])];
}

function pathSchema(name: string): Schema {
  if (name === 'sequence') return { type: 'integer', minimum: 1 };
  // `me` stands for the calling agent's own client.
  return /^(taskId|runId|userId|tokenId|pinId)$/.test(name) ? { type: 'string', format: 'uuid' } : { type: 'string' };
}

function header(name: string, schema: Schema): Parameter {
  return { name, in: 'header', required: true, schema };
}

function resolved(schema: Schema | undefined, types: ApiTypes): Schema | undefined {
  const reference = schema?.['$ref'];
  return typeof reference === 'string' ? types.schemas[reference.split('/').at(-1) ?? ''] : schema;
}

function bodyOf({ body }: RouteTypes, binary: BinaryRoute): object | null {
  if (binary.body !== undefined) return { [binary.body]: { schema: BYTES } };
  return body === undefined ? null : { 'application/json': { schema: body } };
}

const BYTES: Schema = { type: 'string', format: 'binary' };

function responsesOf(route: Route, known: RouteTypes, binary: BinaryRoute): Operation['responses'] {
  const good = { description: 'Done', ...answerOf(known, binary) };
  // POST answers of raw handlers say 200 themselves.
  const status = binary.answer === undefined ? route.status : 200;
  const problems = problemStatuses(route, known, binary).map(
    (code) => [code, problem(WORDS[code] ?? 'Refused')] as const,
  );
  return { [status]: good, ...Object.fromEntries(problems), default: problem('Any other failure') };
}

function answerOf({ answer }: RouteTypes, binary: BinaryRoute): object {
  if (binary.answer !== undefined) return { content: { [binary.answer]: { schema: BYTES } } };
  return answer === undefined ? {} : { content: { 'application/json': { schema: answer } } };
}

function problemStatuses(route: Route, known: RouteTypes, binary: BinaryRoute): number[] {
  const isOpen = route.access?.kind === 'public' && route.path !== '/metrics';
  const takesBody = known.body !== undefined || binary.body !== undefined;
  return [
    ...(isOpen && !takesBody ? [] : [401]),
    ...(route.access?.kind === 'people' || route.access?.kind === 'either' ? [403] : []),
    ...(route.parameters.length > 0 ? [404] : []),
    ...(route.method === 'GET' ? [] : [STATUS_OF_KIND.conflict]),
    ...(takesBody ? [413] : []),
    ...(takesBody || known.query !== undefined || route.parameters.length > 0 ? [422] : []),
    ...(route.path === '/api/login' ? [429] : []),
    503,
  ];
}

function problem(description: string) {
  return { description, content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } } };
}
