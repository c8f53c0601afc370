import type { HttpCall } from './http-client';
import { ServerUnreachableError } from './server-problem';

export function json(method: 'POST' | 'PUT', path: string, body: object): HttpCall {
  return { method, path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

export function withHeaders(call: HttpCall, headers: Record<string, string>): HttpCall {
  return { ...call, headers: { ...call.headers, ...headers } };
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

export function parseJson(call: HttpCall, body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new ServerUnreachableError(call.path, 'the answer is no JSON', { cause: error });
  }
}
