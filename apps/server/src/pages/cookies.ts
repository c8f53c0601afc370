import type { Request, Response } from 'express';

export interface Cookie {
  readonly name: string;
  /** Only over https; its name begins so that neither plain http nor another host of the domain can set it (RFC 6265bis, 4.1.3.2). */
  readonly isSecure: boolean;
}

/** The cookie's value as the browser sent it; null: none. */
export function cookieOf(request: Request, cookie: Cookie): string | null {
  const name = fullName(cookie);
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return null;
}

export interface CookieContent {
  /** Of characters that need no quoting. */
  readonly value: string;
  /** 0 takes it back. */
  readonly maxAgeSeconds: number;
}

/** Never readable by scripts, never sent along by forms of other sites. */
export function setCookie(response: Response, cookie: Cookie, { value, maxAgeSeconds }: CookieContent): void {
  const secure = cookie.isSecure ? '; Secure' : '';
  response.append(
    'set-cookie',
    `${fullName(cookie)}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`,
  );
}

function fullName({ name, isSecure }: Cookie): string {
  return isSecure ? `__Host-${name}` : name;
}
