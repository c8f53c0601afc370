import type { Role } from '#common';

/** The person a call acts for: read from the database on every request. */
export interface PersonIdentity {
  userNo: number;
  userId: string;
  username: string;
  role: Role;
}
