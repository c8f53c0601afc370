import { Injectable } from '@nestjs/common';
import type { ChangePasswordRequest, LoginAnswer, UserDetail } from '#common';
import { actorOf } from '../audit/actor';
import { DomainError } from '../http/domain-error';
import { AccountGrants } from '../users/account-grants';
import { AccountsService } from '../users/accounts.service';
import type { PersonIdentity } from '../users/person-identity';
import { UsersService } from '../users/users.service';
import { ApiTokensService } from './api-tokens.service';
import { AuthService } from './auth.service';
import { SignInThrottle } from './sign-in-throttle';

/** Passwords and sign-ins, by their owner and by an admin. */
@Injectable()
export class OwnAccountService {
  constructor(
    private readonly auth: AuthService,
    private readonly users: UsersService,
    private readonly accounts: AccountsService,
    private readonly tokens: ApiTokensService,
    private readonly throttle: SignInThrottle,
    private readonly grants: AccountGrants,
  ) {}

  /** All sign-ins end, API tokens go on; the answer is a sign-in with the new password. */
  async changePassword(person: PersonIdentity, request: ChangePasswordRequest): Promise<LoginAnswer> {
    const { username, address } = person;
    // Whoever found a token may not guess the password here faster than at the sign-in.
    const attempt = { username, address };
    await this.throttle.wait(attempt);
    if ((await this.users.findByPassword(username, request.current_password)) === undefined) {
      await this.throttle.failed(attempt, actorOf(person), { action: 'sign-in.failed' });
      throw new DomainError('forbidden', 'The current password is another one.');
    }
    const password = request.new_password;
    await this.accounts.setPassword(actorOf(person), person.userId, { password, also: () => Promise.resolve() });
    const user = await this.users.find(person.userId);
    if (user === undefined) throw new DomainError('unauthenticated', 'The account is gone.');
    return this.auth.tokenFor(user);
  }

  /** By an admin: sign-ins and API tokens end. */
  async setPassword(person: PersonIdentity, userId: string, password: string): Promise<UserDetail> {
    this.grants.assertMayGiveAccess(person);
    return this.accounts.setPassword(actorOf(person), userId, {
      password,
      also: async (tx, userNo) => {
        await this.tokens.revokeAll(tx, userNo);
      },
    });
  }

  /** Sign-ins and API tokens. */
  revokeAll(person: PersonIdentity, userId: string): Promise<UserDetail> {
    return this.accounts.endSessions(actorOf(person), userId, async (tx, userNo) => {
      await this.tokens.revokeAll(tx, userNo);
    });
  }
}
