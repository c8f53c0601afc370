// One-shot service of compose: makes the secrets of the stack, each into the volume of who needs it and nobody else, readable for that
// account only. What is set in the environment (.env) wins; what was made before stays. Prints no secret.
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = process.argv[2] ?? '/secrets';
/** Accounts inside the images: node (ours), postgres (Debian's), root (the S3 service). */
const SERVER = 1000;
const DATABASE = 999;
const STORAGE = 0;

const random = () => randomBytes(32).toString('hex');
const given = (name) => process.env[name] || null;

function keep(folder, name, owner, value, otherwise) {
  const path = join(ROOT, folder, name);
  const old = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  const secret = value ?? (old === '' ? otherwise() : old);
  if (secret !== old) {
    writeFileSync(`${path}.new`, `${secret}\n`, { mode: 0o400 });
    renameSync(`${path}.new`, path);
    process.stdout.write(`${folder}/${name}: ${value === null ? 'made' : 'taken from the environment'}\n`);
  }
  chmodSync(path, 0o400);
  // Without root (tests) the files stay with who made them.
  if (process.getuid() === 0) chownSync(path, owner, owner);
  return secret;
}

const password = keep('database', 'password', DATABASE, given('POSTGRES_PASSWORD'), random);
const url = given('DATABASE_URL') ?? `postgresql://holdfast:${encodeURIComponent(password)}@database:5432/holdfast`;
keep('server', 'database-url', SERVER, url, random);
const accessKey = given('AWS_ACCESS_KEY_ID') ?? keep('storage', 'access-key', STORAGE, null, random);
const secretKey = given('AWS_SECRET_ACCESS_KEY') ?? keep('storage', 'secret-key', STORAGE, null, random);
for (const [name, key] of [
  ['access-key', accessKey],
  ['secret-key', secretKey],
]) {
  keep('storage', name, STORAGE, key, random);
  keep('server', `s3-${name}`, SERVER, key, random);
}
keep('server', 'admin-password', SERVER, given('ADMIN_PASSWORD'), random);
keep('server', 'secret-key', SERVER, given('SECRET_KEY'), random);
keep('server', 'metrics-token', SERVER, given('METRICS_TOKEN'), random);
