import type { Role, TokenScope } from '#common';
import { DomainError } from '../http/domain-error';

interface RightRule {
  /** Roles that have it. A `user` has it over what is his own, an `admin` and a `viewer` over everything. */
  readonly roles: readonly Role[];
  /** Scope that an API token must name; null: never by an API token. */
  readonly scope: TokenScope | null;
}

/**
 * Who may do what: the one matrix. A viewer sees status, runs and sizes; never names of files, contents, commands, logs
 * or secrets.
 */
export const ROLE_MATRIX = {
  /** One's own name, password, sessions and tokens. */
  'own-account': { roles: ['admin', 'user', 'viewer'], scope: null },
  /** That clients, tasks and runs exist, how they are, how large. */
  'see-status': { roles: ['admin', 'user', 'viewer'], scope: 'read' },
  /** Definitions, commands, logs, outputs, what was not saved. */
  'see-details': { roles: ['admin', 'user'], scope: 'read' },
  /** Names of files, their history and contents. */
  'read-files': { roles: ['admin', 'user'], scope: 'files' },
  'control-runs': { roles: ['admin', 'user'], scope: 'run' },
  'enrol-clients': { roles: ['admin', 'user'], scope: 'enrol' },
  'change-clients': { roles: ['admin', 'user'], scope: 'change' },
  'change-tasks': { roles: ['admin', 'user'], scope: 'change' },
  /** Needs a fresh sign-in too, or an API token that was made for it. */
  'change-commands': { roles: ['admin', 'user'], scope: 'commands' },
  /** Policies and pins: what is kept. */
  'change-retention': { roles: ['admin', 'user'], scope: 'change' },
  /** Removes the history of paths for good: a person, never a token. */
  forget: { roles: ['admin'], scope: null },
  /** Starts jobs on all that is stored, and sees what became of them: a person, never a token. */
  maintain: { roles: ['admin'], scope: null },
  'manage-users': { roles: ['admin'], scope: 'users' },
  'see-audit': { roles: ['admin'], scope: 'audit' },
} as const satisfies Record<string, RightRule>;

export type Right = keyof typeof ROLE_MATRIX;

export function mayByRole(role: Role, right: Right): boolean {
  const roles: readonly Role[] = ROLE_MATRIX[right].roles;
  return roles.includes(role);
}

/** Throws `forbidden`. */
export function assertRole(role: Role, right: Right): void {
  if (mayByRole(role, right)) return;
  throw new DomainError('forbidden', `This needs the role ${ROLE_MATRIX[right].roles.join(' or ')}; yours is ${role}.`);
}

export function mayByScopes(scopes: readonly TokenScope[], right: Right): boolean {
  const { scope } = ROLE_MATRIX[right];
  return scope !== null && scopes.includes(scope);
}
