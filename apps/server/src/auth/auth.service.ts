import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { AgentTokenAnswer, AgentTokenRequest, LoginAnswer, LoginRequest, TokenScope } from '#common';
import { nobodyAt } from '../audit/actor';
import { ClientsService } from '../clients/clients.service';
import { ServerSettings } from '../config/server-settings';
import { DomainError } from '../http/domain-error';
import type { PersonIdentity } from '../users/person-identity';
import { UsersService, type User } from '../users/users.service';
import type { AgentIdentity } from './agent-identity';
import { ApiTokensService } from './api-tokens.service';
import { assertRole, mayByScopes, ROLE_MATRIX, type Right } from './role-matrix';
import { SignInThrottle } from './sign-in-throttle';
import { credentialStamp, Tokens } from './tokens';

const AGENT_TOKEN_SECONDS = 15 * 60;

interface Admission {
  readonly right: Right;
  readonly address: string | null;
}

/** Trades credentials for tokens, and tokens for identities. */
@Injectable()
export class AuthService {
  constructor(
    private readonly users: UsersService,
    private readonly clients: ClientsService,
    private readonly tokens: Tokens,
    private readonly throttle: SignInThrottle,
    private readonly apiTokens: ApiTokensService,
    private readonly settings: ServerSettings,
  ) {}

  /** A token for who proves his password; see {@link authenticate}. */
  async login(login: LoginRequest, address: string | null): Promise<LoginAnswer> {
    return this.tokenFor(await this.authenticate(login, address));
  }

  /** The user of this name and password. Throws `unauthenticated` without telling what was wrong, and `slow-down`. */
  async authenticate({ username, password }: LoginRequest, address: string | null): Promise<User> {
    const attempt = { username, address };
    await this.throttle.wait(attempt);
    const user = await this.users.findByPassword(username, password);
    if (user === undefined) {
      // A name that is nobody's may be a password in the wrong field: only names of users are written down.
      const known = await this.users.findByUsername(username);
      const target = known === undefined ? undefined : ({ kind: 'user', id: known.id, name: known.username } as const);
      await this.throttle.failed(attempt, nobodyAt(address), { action: 'sign-in.failed', ...(target && { target }) });
      throw new DomainError('unauthenticated', 'Wrong username or password.');
    }
    await this.throttle.succeeded(attempt);
    return user;
  }

  /** A token as a sign-in gives it; for who has just proven his password. */
  tokenFor(user: User): LoginAnswer {
    const claims = { subject: user.id, stamp: stampOf(user) };
    const token = this.tokens.sign('people', claims, this.settings.accessTokenMinutes * 60);
    return { access_token: token, token_type: 'bearer' };
  }

  async agentToken({ clientId, secret }: AgentTokenRequest): Promise<AgentTokenAnswer> {
    const client = await this.clients.authenticate(clientId, secret);
    const claims = { subject: client.id, stamp: credentialStamp(client.secret_hash) };
    return { token: this.tokens.sign('agents', claims, AGENT_TOKEN_SECONDS), expiresInSeconds: AGENT_TOKEN_SECONDS };
  }

  /** Whom a token says to be for, unchecked: which check it has to pass. */
  isAgentToken(token: string): boolean {
    return this.tokens.audienceOf(token) === 'agents';
  }

  /** Reads the user's present state, so that a disabled account or a changed password ends tokens at once. */
  async person(token: string, { right, address }: Admission): Promise<PersonIdentity> {
    const { user, scopes, signedInMs } = await this.bearer(token);
    assertRole(user.role, right);
    if (scopes !== null && !mayByScopes(scopes, right)) {
      const { scope } = ROLE_MATRIX[right];
      const need = scope === null ? 'a sign-in by password' : `a token with the scope "${scope}"`;
      throw new DomainError('forbidden', `This needs ${need}.`);
    }
    const { no: userNo, id: userId, username, role } = user;
    return { userNo, userId, username, role, signedInMs, scopes, address };
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

  private async bearer(
    token: string,
  ): Promise<{ user: User; scopes: readonly TokenScope[] | null; signedInMs: number | null }> {
    if (ApiTokensService.isApiToken(token)) {
      const found = await this.apiTokens.find(token);
      const user = found === undefined ? undefined : await this.users.find(found.userId);
      if (found === undefined || user?.state !== 'active') {
        throw new DomainError('unauthenticated', 'This API token is unknown, revoked or expired.');
      }
      return { user, scopes: found.scopes, signedInMs: null };
    }
    const claims = this.tokens.verify('people', token);
    const user = await this.users.find(claims.subject);
    if (user?.state !== 'active' || !isSame(claims.stamp, stampOf(user))) {
      throw new DomainError('unauthenticated', 'The sign-in is over; sign in again.');
    }
    return { user, scopes: null, signedInMs: claims.issuedAtMs };
  }
}

/** Ends with the password, and when all sign-ins are revoked. */
function stampOf(user: User): string {
  return credentialStamp(`${user.password_hash} ${user.session_epoch}`);
}

function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
