import type { Role, TokenScope } from '#common';

/** The person a call acts for: read from the database on every request. */
export interface PersonIdentity {
  userNo: number;
  userId: string;
  username: string;
  role: Role;
  /** When the password was given, ms; null: by an API token. */
  signedInMs: number | null;
  /** Of the API token; null: signed in by password, with all that the role may. */
  scopes: readonly TokenScope[] | null;
  /** Where the call comes from, for the audit. */
  address: string | null;
}

/** A `user` sees his own only; `null`: no bound. */
export function ownerBoundOf(person: PersonIdentity): number | null {
  return person.role === 'user' ? person.userNo : null;
}
