import type { Request, Response } from 'express';
import { type Cookie, cookieOf, setCookie } from './cookies';
import { viewerOf } from './viewer';

const SHAPE = /^[A-Za-z0-9_-]{1,2048}$/;
const MAX_CHARACTERS = 400;
const SECONDS = 60;

/** Says on the next page what was done on this one. No secret. */
export function leaveNotice(text: string, request: Request, response: Response): void {
  const value = Buffer.from(text.slice(0, MAX_CHARACTERS)).toString('base64url');
  setCookie(response, cookieFor(request), { value, maxAgeSeconds: SECONDS });
}

/** What the page before said; it is said once. */
export function takeNotice(request: Request, response: Response): string | null {
  const value = cookieOf(request, cookieFor(request));
  if (value === null || !SHAPE.test(value)) return null;
  setCookie(response, cookieFor(request), { value: '', maxAgeSeconds: 0 });
  return Buffer.from(value, 'base64url').toString('utf8').slice(0, MAX_CHARACTERS);
}

function cookieFor(request: Request): Cookie {
  return { name: 'holdfast_notice', isSecure: viewerOf(request)?.usesHttps ?? false };
}
