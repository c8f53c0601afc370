import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';
import { REQUEST_ID_HEADER } from '#common';
import { inRequest } from './request-context';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Gives every answer an id that the log knows too. Agents send ids of their own, so that their log has the id of a request that
 * was never answered; anything else than a UUID is not taken: it would stand in our log unchecked.
 */
export function requestIds(request: Request, response: Response, next: NextFunction): void {
  const sent = request.headers[REQUEST_ID_HEADER];
  const id = typeof sent === 'string' && UUID.test(sent) ? sent : randomUUID();
  response.setHeader(REQUEST_ID_HEADER, id);
  inRequest(id, next);
}

export function requestIdOf(response: Response): string {
  return String(response.getHeader(REQUEST_ID_HEADER) ?? 'none');
}
