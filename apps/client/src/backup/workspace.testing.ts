import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KillPoints, NO_KILL_POINTS } from '#common';
import { withoutPrivileges } from '../system/privileges.testing';
import type { BackupOptions, BackupOutcome } from './backup';
import { FakeServer } from './fake-server.testing';
import { runBackup } from './run-backup';

/** A source tree, a state directory and a server in memory, for one test. */
export class Workspace {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-backup-')));
  readonly source = join(this.base, 'source');
  readonly stateDir = join(this.base, 'state');
  readonly server = new FakeServer();

  constructor() {
    mkdirSync(this.source);
  }

  path(name: string): string {
    return join(this.source, name);
  }

  backup(options: Partial<BackupOptions> = {}, killPoints: KillPoints = NO_KILL_POINTS): Promise<BackupOutcome> {
    return runBackup(
      { roots: [Buffer.from(this.source)], excludes: [], taskName: 'cli', ...options },
      {
        api: this.server,
        stateDir: this.stateDir,
        clientId: 'client-1',
        killPoints,
        compressionLevel: 1,
        agentVersion: '0.0.0',
        hostName: 'test',
      },
    );
  }

  withoutPrivileges<T>(action: () => Promise<T>): Promise<T> {
    return withoutPrivileges(this.base, action);
  }

  remove(): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}
