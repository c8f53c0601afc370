import type { NextFunction, Request, Response } from 'express';
import { isAllowedHost, isOwnOrigin } from './host-list';

const HEADERS: Readonly<Record<string, string>> = {
  // No script at all, from nowhere; forms to this page only.
  'content-security-policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** Before anything else looks at a request: whom it was meant for, and where it comes from. */
export function pageMiddleware(allowedNames: readonly string[]) {
  return (request: Request, response: Response, next: NextFunction): void => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const { host, origin } = request.headers;
    if (!isAllowedHost(host, allowedNames)) {
      response.status(421).type('text').send('This host name is not in CLIENT_UI_ALLOWED_HOSTS.\n');
    } else if (request.method !== 'GET' && request.method !== 'HEAD' && !isOwnOrigin(origin, host)) {
      response.status(403).type('text').send('The form was sent by another site.\n');
    } else {
      next();
    }
  };
}
