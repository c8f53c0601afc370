import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { HOST } from './audit/actor';
import { AuditRepository } from './audit/audit.repository';
import { AuditService } from './audit/audit.service';
import { ApiTokensRepository } from './auth/api-tokens.repository';
import { SignInThrottle } from './auth/sign-in-throttle';
import { SignInThrottleRepository } from './auth/sign-in-throttle.repository';
import { assertCatalogIsThere } from './cli/existing-catalog';
import { SystemClock } from './config/clock';
import { SettledConfig } from './config-export/settled-config';
import { loadOrCreateSecret } from './config/secret-file';
import type { ServerSettings } from './config/server-settings';
import { StartError, UsageError } from './config/start-error';
import { StdoutTerminal } from './config/terminal';
import { Database } from './database/database';
import { ProtectWindow } from './retention/protect-window';
import { AccountsService } from './users/accounts.service';
import { Passwords } from './users/passwords';
import { UsersRepository } from './users/users.repository';

const USAGE = 'Usage: holdfast-server reset-password USER [--password-stdin]';
const MIN_PASSWORD_CHARACTERS = 8;

/** Storage may be in use by a server at this moment: that one exports the change, within the hour or at its start. */
class LeftToTheServer extends SettledConfig {
  settle(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * `reset-password USER`: the way back in, for who has the server's own machine; also beside a running server. The user is
 * active again, all his sign-ins and API tokens end. The password is random and shown on a terminal only (else the file that
 * keeps it is named), or with `--password-stdin` the one that stands there. Throws StartError.
 */
export async function resetPassword(settings: ServerSettings, words: readonly string[]): Promise<void> {
  const [username, option, ...rest] = words;
  const isAsked = option === undefined || option === '--password-stdin';
  if (username === undefined || username.startsWith('-') || !isAsked || rest.length > 0) throw new UsageError(USAGE);
  const given = option === undefined ? null : firstLine(await text(process.stdin));
  if (given !== null && given.length < MIN_PASSWORD_CHARACTERS) {
    throw new StartError(`A password has at least ${MIN_PASSWORD_CHARACTERS} characters.`);
  }
  await assertCatalogIsThere(settings);
  const { databaseUrl, databasePath } = settings;
  const database = await Database.open({ databaseUrl, databasePath, clock: new SystemClock() });
  try {
    const users = new UsersRepository();
    const user = await database.read((sql) => users.findByUsername(sql, username.normalize('NFC')));
    if (user === undefined) throw new StartError(`There is no user ${JSON.stringify(username)}.`);
    const audit = new AuditService(database, new AuditRepository());
    const throttle = new SignInThrottle(database, new SignInThrottleRepository(), audit);
    const window = new ProtectWindow(database, settings);
    const accounts = new AccountsService(database, users, new Passwords(), audit, window, new LeftToTheServer());
    const password = given ?? randomBytes(18).toString('base64url');
    // File before row: when it cannot be kept, nothing was changed.
    const told = given === null ? await tell(settings, password) : 'The password is the one that you gave.';
    await accounts.setPassword(HOST, user.id, {
      password,
      also: async (tx, userNo) => {
        await new ApiTokensRepository().revokeAll(tx, userNo, await tx.now());
        await throttle.forgive(tx, user.username);
      },
    });
    process.stdout.write(`User ${JSON.stringify(user.username)} can sign in again. ${told}\n`);
  } finally {
    await database.close();
  }
}

async function tell({ storagePath }: ServerSettings, password: string): Promise<string> {
  if (new StdoutTerminal().isInteractive) return `The password, shown only this once: ${password}`;
  const file = join(storagePath, `reset-password-${randomBytes(4).toString('hex')}`);
  await loadOrCreateSecret(file, () => password);
  return `The password is kept in ${file}; delete that file.`;
}

function firstLine(input: string): string {
  return input.split(/\r?\n/, 1)[0] ?? '';
}
