import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { LoginRequest } from '#common';
import { Clock } from '../config/clock';
import { DomainError } from '../http/domain-error';
import type { FormFields } from '../pages/form-fields';
import { FieldProblems } from '../pages/form-problem';
import { setViewer, viewerOf } from '../pages/viewer';
import type { PersonIdentity } from '../users/person-identity';
import { type User, UsersService } from '../users/users.service';
import { AuthService } from './auth.service';
import { PageGate } from './page-gate';
import type { PageSessionDetail } from './page-session';
import { newToken, PageSessions } from './page-sessions.service';

/** Gives browsers their sessions, and takes them back. */
@Injectable()
export class PageSignIn {
  constructor(
    private readonly auth: AuthService,
    private readonly users: UsersService,
    private readonly sessions: PageSessions,
    private readonly gate: PageGate,
    private readonly clock: Clock,
  ) {}

  /** Throws `unauthenticated` and `slow-down`, as the API does. */
  async signIn(login: LoginRequest, request: Request, response: Response): Promise<void> {
    await this.begin(await this.auth.authenticate(login, request.ip ?? null), request, response);
  }

  /** For who has just proven his password otherwise. */
  async beginFor(userId: string, request: Request, response: Response): Promise<void> {
    const user = await this.users.find(userId);
    if (user === undefined) throw new DomainError('unauthenticated', 'The account is gone.');
    await this.begin(user, request, response);
  }

  /**
   * For what needs a fresh sign-in: the same person, signed in now when he gave his password once more in the field of this
   * name, and as before when he left it empty. Throws what a form shows.
   */
  async confirmed(
    person: PersonIdentity,
    { fields, name }: { fields: FormFields; name: string },
    request: Request,
    response: Response,
  ): Promise<PersonIdentity> {
    const password = fields.text(name);
    if (password === '') return person;
    const login = Object.assign(new LoginRequest(), { username: person.username, password });
    const user = await this.auth.authenticate(login, person.address).catch((error: unknown) => {
      if (!(error instanceof DomainError && error.code === 'unauthenticated')) throw error;
      throw new FieldProblems({ [name]: 'This is not your password.' });
    });
    await this.begin(user, request, response);
    return { ...person, signedInMs: this.clock.now() };
  }

  /** The browser is nobody's from now on. */
  async signOut(request: Request, response: Response): Promise<void> {
    await this.endPresent(request);
    this.gate.give(response, newToken());
  }

  sessionsOf(userId: string): Promise<PageSessionDetail[]> {
    return this.sessions.list(userId);
  }

  private async begin(user: User, request: Request, response: Response): Promise<void> {
    const browser = request.headers['user-agent'] ?? null;
    const token = await this.sessions.begin(user, { address: request.ip ?? null, browser });
    await this.endPresent(request);
    this.gate.give(response, token);
    // A form that is shown again in this answer belongs to the new session.
    const viewer = viewerOf(request);
    if (viewer !== null) setViewer(request, { ...viewer, token });
  }

  private async endPresent(request: Request): Promise<void> {
    const token = this.gate.tokenOf(request);
    if (token !== null) await this.sessions.end(token);
  }
}
