import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '#common';
import { DomainError } from '../http/domain-error';
import { setCaller } from '../http/held-memory';
import { ACCESS, AGENT_PROTOCOL, type Access } from './access';
import { AuthService } from './auth.service';
import { PageGate } from './page-gate';
import { setAgent, setPerson } from './request-identity';
import type { Right } from './role-matrix';

/** The one gate before every route: what has no access decorator is closed. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly auth: AuthService,
    private readonly pages: PageGate,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const handler = context.getHandler();
    const request = context.switchToHttp().getRequest<Request>();
    const access = this.reflector.get<Access | undefined, symbol>(ACCESS, handler);
    if (access?.kind === 'public') {
      if (this.reflector.get<true | undefined, symbol>(AGENT_PROTOCOL, handler) === true) assertProtocol(request);
      return true;
    }
    if (access?.kind === 'page' || access?.kind === 'public-page') {
      await this.pages.admit(access, request, context.switchToHttp().getResponse<Response>());
      return true;
    }
    const token = bearerToken(request);
    if (access === undefined) throw new DomainError('forbidden', 'This route says nobody may call it.');
    const isAgent = access.kind === 'agents' || (access.kind === 'either' && this.auth.isAgentToken(token));
    if (access.kind === 'agents' || isAgent) await this.admitAgent(request, token);
    else await this.admitPerson(request, token, access.right);
    return true;
  }

  private async admitPerson(request: Request, token: string, right: Right): Promise<void> {
    const person = await this.auth.person(token, { right, address: request.ip ?? null });
    setPerson(request, person);
    setCaller(request, `user ${person.userNo}`);
  }

  private async admitAgent(request: Request, token: string): Promise<void> {
    const agent = await this.auth.agent(token);
    assertProtocol(request);
    setAgent(request, agent);
    setCaller(request, `client ${agent.clientNo}`);
  }
}

function bearerToken(request: Request): string {
  const token = /^bearer +([\w.~+/=-]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) {
    throw new DomainError('unauthenticated', 'Send the header "Authorization: Bearer <token>".');
  }
  return token;
}

function assertProtocol(request: Request): void {
  if (request.headers[PROTOCOL_HEADER] === String(PROTOCOL_VERSION)) return;
  throw new DomainError(
    'upgrade-required',
    `This server speaks agent protocol ${PROTOCOL_VERSION} (header ${PROTOCOL_HEADER}); install the agent of the server's version.`,
    { details: { protocol: PROTOCOL_VERSION } },
  );
}
