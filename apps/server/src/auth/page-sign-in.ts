import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { LoginRequest } from '#common';
import { DomainError } from '../http/domain-error';
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
  }

  private async endPresent(request: Request): Promise<void> {
    const token = this.gate.tokenOf(request);
    if (token !== null) await this.sessions.end(token);
  }
}
