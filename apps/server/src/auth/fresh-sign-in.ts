import { Injectable } from '@nestjs/common';
import { Clock } from '../config/clock';
import { ServerSettings } from '../config/server-settings';
import { DomainError } from '../http/domain-error';
import type { PersonIdentity } from '../users/person-identity';
import { mayByScopes } from './role-matrix';

/** Some changes need a password that was given a few minutes ago, not a token that was found or a page left open. */
@Injectable()
export class FreshSignIn {
  constructor(
    private readonly settings: ServerSettings,
    private readonly clock: Clock,
  ) {}

  isFresh({ signedInMs }: PersonIdentity): boolean {
    return signedInMs !== null && this.clock.now() - signedInMs <= this.settings.freshSignInMinutes * 60_000;
  }

  /** `what`: the words that begin the refusal. An API token is never a sign-in. */
  assert(person: PersonIdentity, what: string): void {
    const { freshSignInMinutes } = this.settings;
    if (this.isFresh(person)) return;
    throw new DomainError(
      'fresh-sign-in-required',
      `${what} needs a sign-in by password of the last ${freshSignInMinutes} minutes: sign in again, then repeat it.`,
    );
  }

  /** Commands run on other people's machines: a fresh sign-in, or an API token made for just that. */
  assertMayChangeCommands(person: PersonIdentity): void {
    if (person.scopes !== null) {
      if (mayByScopes(person.scopes, 'change-commands')) return;
      throw new DomainError('forbidden', 'This API token may not change commands: its scopes lack "commands".');
    }
    this.assert(person, 'Changing commands');
  }
}
