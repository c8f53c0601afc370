import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { AgentTokenAnswer, AgentTokenRequest, LoginAnswer, LoginRequest, Role } from '#common';
import { ClientsService } from '../clients/clients.service';
import { ServerSettings } from '../config/server-settings';
import { DomainError } from '../http/domain-error';
import type { PersonIdentity } from '../users/person-identity';
import { UsersService } from '../users/users.service';
import type { AgentIdentity } from './agent-identity';
import { credentialStamp, Tokens } from './tokens';

const AGENT_TOKEN_SECONDS = 15 * 60;

/** Trades credentials for tokens, and tokens for identities. */
@Injectable()
export class AuthService {
  constructor(
    private readonly users: UsersService,
    private readonly clients: ClientsService,
    private readonly tokens: Tokens,
    private readonly settings: ServerSettings,
  ) {}

  async login({ username, password }: LoginRequest): Promise<LoginAnswer> {
    const user = await this.users.authenticate(username, password);
    const claims = { subject: user.id, stamp: credentialStamp(user.password_hash) };
    const token = this.tokens.sign('people', claims, this.settings.accessTokenMinutes * 60);
    return { access_token: token, token_type: 'bearer' };
  }

  async agentToken({ clientId, secret }: AgentTokenRequest): Promise<AgentTokenAnswer> {
    const client = await this.clients.authenticate(clientId, secret);
    const claims = { subject: client.id, stamp: credentialStamp(client.secret_hash) };
    return { token: this.tokens.sign('agents', claims, AGENT_TOKEN_SECONDS), expiresInSeconds: AGENT_TOKEN_SECONDS };
  }

  /** Reads the user's present state, so that a disabled account or a changed password ends tokens at once. */
  async person(token: string, roles: readonly Role[]): Promise<PersonIdentity> {
    const claims = this.tokens.verify('people', token);
    const user = await this.users.find(claims.subject);
    if (user?.state !== 'active' || !isSame(claims.stamp, credentialStamp(user.password_hash))) {
      throw new DomainError('unauthenticated', 'The sign-in is over; sign in again.');
    }
    if (!roles.includes(user.role)) {
      throw new DomainError('forbidden', `This needs the role ${roles.join(' or ')}; yours is ${user.role}.`);
    }
    return { userNo: user.no, userId: user.id, username: user.username, role: user.role };
  }

  /** Reads the client's present state: `client-revoked`, or `unauthenticated` when it was enrolled anew meanwhile. */
  async agent(token: string): Promise<AgentIdentity> {
    const claims = this.tokens.verify('agents', token);
    const client = await this.clients.findActive(claims.subject);
    if (client === undefined || !isSame(claims.stamp, credentialStamp(client.secret_hash))) {
      throw new DomainError('unauthenticated', 'The client was enrolled anew elsewhere; this secret is over.');
    }
    return { clientNo: client.no, clientId: client.id, ownerNo: client.owner_no, domainNo: client.domain_no };
  }
}

function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
