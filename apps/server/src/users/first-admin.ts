import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { loadOrCreateSecret } from '../config/secret-file';
import { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { Terminal } from '../config/terminal';
import { Database } from '../database/database';
import { UsersRepository } from './users.repository';
import { UsersService } from './users.service';

const FILE_NAME = 'admin-password';
/** As for every password; a file that a crash or a copy left empty must not become the admin's. */
const MIN_PASSWORD_CHARACTERS = 8;

/** Makes the admin when there are no users yet, and says how to sign in. */
@Injectable()
export class FirstAdmin implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly repository: UsersRepository,
    private readonly users: UsersService,
    private readonly settings: ServerSettings,
    private readonly terminal: Terminal,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!(await this.database.read((sql) => this.repository.isEmpty(sql)))) return;
    const username = this.settings.adminUsername ?? 'admin';
    if (this.settings.adminPassword !== null) {
      const admin = await this.users.createFirstAdmin(username, this.settings.adminPassword);
      if (admin !== null) this.terminal.print(`Admin "${username}" was created with the password in ADMIN_PASSWORD.`);
      return;
    }
    // File before row: after a crash between the two, the next start takes the same password from the file.
    const file = join(this.settings.storagePath, FILE_NAME);
    const password = await loadOrCreateSecret(file, () => randomBytes(18).toString('base64url'));
    if (password.length < MIN_PASSWORD_CHARACTERS) {
      throw new StartError(`${file} holds no usable password. Delete it: a new one is made at the next start.`);
    }
    const admin = await this.users.createFirstAdmin(username, password);
    if (admin === null) return this.removeUnlessIts(username, password, file);
    const kept = `Admin "${username}" was created; the password is kept in ${file}`;
    this.terminal.print(this.terminal.isInteractive ? `${kept} and shown only this once: ${password}` : `${kept}.`);
  }

  /** Another server that started in the same moment made the admin: a file of ours may hold a password that opens nothing. */
  private async removeUnlessIts(username: string, password: string, file: string): Promise<void> {
    const admin = await this.users.findByUsername(username);
    if (admin === undefined || (await this.users.findByPassword(username, password)) !== undefined) return;
    await rm(file, { force: true });
  }
}
