import type { Request, Response } from 'express';

/** A cookie's value as the browser sent it; null: none of this name. */
export function cookieOf(request: Request, name: string): string | null {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return null;
}

export interface Cookie {
  /** Of characters that need no quoting. */
  readonly value: string;
  /** Only over https. */
  readonly isSecure: boolean;
  /** 0 takes it back. */
  readonly maxAgeSeconds: number;
}

/** Never readable by scripts, never sent along by forms of other sites. */
export function setCookie(response: Response, name: string, { value, isSecure, maxAgeSeconds }: Cookie): void {
  const secure = isSecure ? '; Secure' : '';
  response.append('set-cookie', `${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`);
}
