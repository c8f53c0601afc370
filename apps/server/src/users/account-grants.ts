import { Injectable } from '@nestjs/common';
import type { ChangeUserRequest, RegisterUserRequest } from '#common';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { AccountsService } from './accounts.service';
import type { PersonIdentity } from './person-identity';
import { roleOf } from './users.service';

/**
 * Who hands out accounts could hand himself one that may everything: what gives rights or access needs a password that was just
 * given, so neither a page that was left open nor an API token of scope `users` is enough. Throws `fresh-sign-in-required`.
 */
@Injectable()
export class AccountGrants {
  constructor(
    private readonly freshSignIn: FreshSignIn,
    private readonly accounts: AccountsService,
  ) {}

  /** Whether a form has to ask for the password. */
  isFresh(person: PersonIdentity): boolean {
    return this.freshSignIn.isFresh(person);
  }

  assertMayRegister(person: PersonIdentity, request: RegisterUserRequest): void {
    if (roleOf(request) === 'admin') this.freshSignIn.assert(person, 'Making an admin');
  }

  async assertMayChange(person: PersonIdentity, id: string, request: ChangeUserRequest): Promise<void> {
    const before = await this.accounts.get(id);
    const isOtherRole = (roleOf(request) ?? before.role) !== before.role;
    const isReactivated = request.state === 'active' && before.state !== 'active';
    if (isOtherRole || isReactivated) this.freshSignIn.assert(person, 'Changing what an account may do');
  }

  assertMayGiveAccess(person: PersonIdentity): void {
    this.freshSignIn.assert(person, "Giving access to somebody's account");
  }
}
