import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppModule } from '../app.module';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { TestServers, type TestServer } from '../http/testing';
import { FirstAdmin } from './first-admin';
import type { UsersRepository } from './users.repository';
import { UsersService } from './users.service';

describe('the first admin, when another server makes him in the same moment', () => {
  const servers = new TestServers();
  let server: TestServer;
  beforeEach(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
  });
  afterEach(() => servers.stopAll());

  /** A server that saw no users yet, with a storage path of its own. */
  async function late(storagePath: string): Promise<void> {
    const settings = Object.assign(new ServerSettings(), { storagePath, adminUsername: 'root' });
    const sawNone = { isEmpty: () => Promise.resolve(true) } as unknown as UsersRepository;
    const of = <T>(type: abstract new (...args: never[]) => T): T => server.app.get<T>(type, { strict: false });
    const admin = new FirstAdmin(of(Database), sawNone, of(UsersService), settings, server.terminal);
    await admin.onApplicationBootstrap();
  }

  it('leaves no file with a password that opens nothing', async () => {
    const folder = servers.folder();
    await late(folder);
    expect(existsSync(join(folder, 'admin-password'))).toBe(false);
    expect(server.terminal.lines.join()).not.toContain(folder);
  });

  it('leaves the file alone from which the other one took it', async () => {
    const folder = servers.folder();
    writeFileSync(join(folder, 'admin-password'), 'root password\n', { mode: 0o600 });
    await late(folder);
    expect(readFileSync(join(folder, 'admin-password'), 'utf8')).toBe('root password\n');
  });
});
