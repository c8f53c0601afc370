/**
 * DATABASE_URL as node-postgres wants it. `postgresql+psycopg2://` and its like (SQLAlchemy's form) are accepted.
 * Throws without naming the value: it holds a password.
 */
export function postgresUrl(url: string): string {
  const scheme = /^postgres(?:ql)?(?:\+[a-z0-9_]+)?:\/\//i.exec(url);
  if (scheme === null) throw new Error('DATABASE_URL must begin with postgresql://');
  return `postgresql://${url.slice(scheme[0].length)}`;
}
