import type { Request } from 'express';
import type { PersonIdentity } from '../users/person-identity';

/** Who looks at a page. */
export interface Viewer {
  /** What his browser's cookie holds: forms are tied to it. */
  readonly token: string;
  /** Null: not signed in. */
  readonly person: PersonIdentity | null;
  /** Cookies travel over https only. */
  readonly usesHttps: boolean;
  /** IANA zone in which he reads times. */
  readonly timeZone: string;
}

// Beside the requests, not on them, as with identities.
const viewers = new WeakMap<Request, Viewer>();

export function setViewer(request: Request, viewer: Viewer): void {
  viewers.set(request, viewer);
}

/** Null: no gate was passed, as with an address that leads nowhere. */
export function viewerOf(request: Request): Viewer | null {
  return viewers.get(request) ?? null;
}
