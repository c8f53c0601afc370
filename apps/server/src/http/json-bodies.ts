import { SetMetadata, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { finalize, type Observable } from 'rxjs';
import { DomainError } from './domain-error';
import { countHeldMemory } from './held-memory';
import { hasContentType, readRawBody } from './raw-body';

const JSON_TYPE = 'application/json';
const JSON_LIMIT = Symbol('JSON_LIMIT');
/** Credentials, names and figures: enough for most routes, and for all that anybody may call. */
const DEFAULT_LIMIT = 16 * 1024;

/** More than any request has. Transforming and validating a body costs far more than parsing it. */
const MAX_VALUES = 20_000;
const MAX_DEPTH = 8;
const MAX_KEYS = 64;
const MAX_KEY_CHARACTERS = 64;

/** The route takes JSON bodies of up to so many bytes; for routes that need credentials. */
export const JsonLimit = (bytes: number): MethodDecorator => SetMetadata(JSON_LIMIT, bytes);

/**
 * Reads JSON bodies behind the gate: nobody makes the server hold or parse a body before his credentials were checked.
 * Bodies of other content types stay unread: the route gets the stream itself.
 */
export class JsonBodies implements NestInterceptor {
  private readonly reflector = new Reflector();

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<Request>();
    const end = countHeldMemory(request, context.switchToHttp().getResponse<Response>());
    try {
      if (hasContentType(request, JSON_TYPE)) {
        const limit = this.reflector.get<number | undefined, symbol>(JSON_LIMIT, context.getHandler());
        request.body = await readJson(request, limit ?? DEFAULT_LIMIT);
      }
    } catch (error) {
      end();
      throw error;
    }
    return next.handle().pipe(finalize(end));
  }
}

async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  const bytes = await readRawBody(request, { type: JSON_TYPE, maxBytes });
  if (bytes.length === 0) return {};
  const body = parse(bytes);
  if (typeof body !== 'object' || body === null) throw notJson();
  assertShape(body, 1, { values: 0 });
  return body;
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // The parser's own words quote the body, which may hold a password.
    throw notJson();
  }
}

function notJson(): DomainError {
  return new DomainError('invalid', 'The body is not valid JSON.');
}

function assertShape(value: object, depth: number, seen: { values: number }): void {
  const isList = Array.isArray(value);
  const keys = isList ? [] : Object.keys(value);
  const items: unknown[] = isList ? value : Object.values(value);
  seen.values += items.length;
  const isAbsurd =
    depth > MAX_DEPTH ||
    seen.values > MAX_VALUES ||
    keys.length > MAX_KEYS ||
    keys.some((key) => key.length > MAX_KEY_CHARACTERS);
  if (isAbsurd)
    throw new DomainError('invalid', 'The body is more deeply nested, or has more values, than any request.');
  for (const item of items) {
    // PostgreSQL keeps no such text; no name, path or message has it.
    if (typeof item === 'string' && item.includes('\0'))
      throw new DomainError('invalid', 'A text of the body has NUL.');
    if (typeof item === 'object' && item !== null) assertShape(item, depth + 1, seen);
  }
}
