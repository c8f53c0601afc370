import { StartError } from '../config/start-error';

/**
 * DATABASE_URL as node-postgres wants it. `postgresql+psycopg2://` and its like (SQLAlchemy's form) are accepted.
 * Throws without naming the value: it holds a password.
 */
export function postgresUrl(url: string): string {
  const scheme = /^postgres(?:ql)?(?:\+[a-z0-9_]+)?:\/\//i.exec(url);
  if (scheme === null) throw new Error('DATABASE_URL must begin with postgresql://');
  return `postgresql://${url.slice(scheme[0].length)}`;
}

/** `error`: of an attempt to connect. */
export function postgresUnusable(error: unknown): StartError {
  return new StartError(`DATABASE_URL: PostgreSQL cannot be used: ${reasonOf(error)}.`, { cause: error });
}

/** A host with several addresses that all refuse is an error without words. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}
