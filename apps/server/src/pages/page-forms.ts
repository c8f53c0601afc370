import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import type { Observable } from 'rxjs';
import { ACCESS, type Access } from '../auth/access';
import { DomainError } from '../http/domain-error';
import { readRawBody } from '../http/raw-body';
import { FORM_TOKEN, isFormToken } from './form-token';
import { FormFields } from './form-fields';
import { viewerOf } from './viewer';

const FORM_TYPE = 'application/x-www-form-urlencoded';
const MAX_BYTES = 256 * 1024;
/** Of pages that nobody needs to be signed in for: a name and a password. */
const MAX_PUBLIC_BYTES = 16 * 1024;
const MAX_FIELDS = 2_000;

/** Reads the forms of pages behind the gate, and lets in only what one of our own pages sent. */
export class PageForms implements NestInterceptor {
  private readonly reflector = new Reflector();

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const access = this.reflector.get<Access | undefined, symbol>(ACCESS, context.getHandler());
    const request = context.switchToHttp().getRequest<Request>();
    const isPage = access?.kind === 'page' || access?.kind === 'public-page';
    if (isPage && request.method !== 'GET' && request.method !== 'HEAD') {
      assertFromHere(request);
      request.body = await readForm(request, access.kind === 'page' ? MAX_BYTES : MAX_PUBLIC_BYTES);
    }
    return next.handle();
  }
}

async function readForm(request: Request, maxBytes: number): Promise<FormFields> {
  const bytes = await readRawBody(request, { type: FORM_TYPE, maxBytes });
  const pairs = [...new URLSearchParams(bytes.toString('utf8'))];
  if (pairs.length > MAX_FIELDS) throw new DomainError('invalid', 'The form has more fields than any of ours.');
  // PostgreSQL keeps no such text.
  if (pairs.some(([name, value]) => `${name}${value}`.includes('\0')))
    throw new DomainError('invalid', 'A text of the form has NUL.');
  const token = pairs.find(([name]) => name === FORM_TOKEN)?.[1];
  const viewer = viewerOf(request);
  if (viewer === null || !isFormToken(viewer.token, token)) {
    throw new DomainError(
      'forbidden',
      'This form is too old, or did not come from one of these pages. Nothing was done: go back, load the page again, and repeat it.',
    );
  }
  return new FormFields(pairs.filter(([name]) => name !== FORM_TOKEN));
}

/** Browsers say where a form comes from; older ones do not, and the token stands for it. */
function assertFromHere(request: Request): void {
  const site = request.headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return;
  throw new DomainError('forbidden', 'The form was sent by another site. Nothing was done.');
}
