import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { ServerSettings } from '../config/server-settings';
import { setCaller } from '../http/held-memory';
import { DomainError } from '../http/domain-error';
import { type Cookie, cookieOf, setCookie } from '../pages/cookies';
import { setViewer } from '../pages/viewer';
import type { PersonIdentity } from '../users/person-identity';
import type { Access } from './access';
import { newToken, PageSessions } from './page-sessions.service';
import { setPerson } from './request-identity';
import { assertRole } from './role-matrix';

const SHAPE = /^[0-9a-f]{64}$/;

/** Who may see a page: told by the cookie of his browser. A browser without one is given one, which its forms are tied to. */
@Injectable()
export class PageGate {
  constructor(
    private readonly sessions: PageSessions,
    private readonly settings: ServerSettings,
  ) {}

  /** Throws `unauthenticated` (which shows the sign-in) and `forbidden`. */
  async admit(
    access: Extract<Access, { kind: 'page' | 'public-page' }>,
    request: Request,
    response: Response,
  ): Promise<void> {
    const given = this.tokenOf(request);
    const found = given === null ? null : await this.sessions.find(given);
    const token = found?.renewed ?? given ?? newToken();
    if (token !== given) this.give(response, token);
    const { usesHttps, timeZone } = this.settings;
    if (found === null) {
      setViewer(request, { token, person: null, usesHttps, timeZone });
      if (access.kind === 'page') throw new DomainError('unauthenticated', 'Sign in first.');
      return;
    }
    const { session } = found;
    const person: PersonIdentity = {
      userNo: session.user_no,
      userId: session.user_id,
      username: session.username,
      role: session.current_role,
      signedInMs: session.signed_in_at,
      scopes: null,
      address: request.ip ?? null,
    };
    setViewer(request, { token, person, usesHttps, timeZone: session.time_zone ?? timeZone });
    setPerson(request, person);
    setCaller(request, `user ${person.userNo}`);
    if (access.kind === 'page') assertRole(person.role, access.right);
  }

  tokenOf(request: Request): string | null {
    const token = cookieOf(request, this.cookie);
    return token !== null && SHAPE.test(token) ? token : null;
  }

  /** Until the browser is closed for good, or the session ends. */
  give(response: Response, token: string): void {
    setCookie(response, this.cookie, { value: token, maxAgeSeconds: 30 * 86_400 });
  }

  private get cookie(): Cookie {
    return { name: 'holdfast_session', isSecure: this.settings.usesHttps };
  }
}
