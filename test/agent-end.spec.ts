import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { finish, temporaryFolder } from './support/processes';

const HOLDFAST = resolve(__dirname, '../bin/holdfast');
const FULL_DEVICE = '/dev/full';
const CLIENT = '01234567-89ab-4cde-8f01-23456789abcd';

describe('the end of a command', () => {
  const folder = temporaryFolder('end');
  const env = { ...process.env, HOLDFAST_STATE_DIR: join(folder.path, 'state') };
  afterAll(() => {
    folder.remove();
  });

  (existsSync(FULL_DEVICE) ? it : it.skip).each([
    [['--help']],
    [['ls', '--help']],
    [['--version']],
    [['man']],
    [['completion', 'bash']],
    [['snapshots', '--json']],
  ])('%j says that its answer found no room, and fails', async (words) => {
    const full = openSync(FULL_DEVICE, 'w');
    try {
      const ended = await finish(spawn(HOLDFAST, words, { env, stdio: ['ignore', full, 'pipe'] }));
      expect(ended).toMatchObject({ code: 1, stderr: 'holdfast: standard output: no space left on device\n' });
    } finally {
      closeSync(full);
    }
  });

  describe.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('by %s', (signal) => {
    /** Takes every request and answers none. */
    let silent: Server;
    let url: string;
    beforeEach(async () => {
      silent = createServer();
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
      url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      mkdirSync(env.HOLDFAST_STATE_DIR, { recursive: true });
      const identity = { serverUrl: url, clientId: CLIENT, clientName: 'n', secret: 'ab'.repeat(32), fingerprints: [] };
      writeFileSync(join(env.HOLDFAST_STATE_DIR, 'identity.json'), JSON.stringify(identity));
    });
    afterEach(async () => {
      silent.closeAllConnections();
      silent.close();
      await once(silent, 'close');
    });

    it.each(['snapshots', 'backup'])('is a cancelled %s that cleaned up', async (command) => {
      const child = spawn(HOLDFAST, command === 'backup' ? [command, folder.path] : [command], { env });
      const ended = finish(child);
      await once(silent, 'request');
      child.kill(signal);
      expect(await ended).toMatchObject({
        code: 1,
        signal: null,
        stderr: expect.stringMatching(/cancelled/i) as string,
      });
    });

    it('comes at once when it is sent again, but for a terminal that closes', async () => {
      const child = spawn(HOLDFAST, ['enroll', '--server', url, '--client', CLIENT], { env });
      const ended = finish(child, 'ab'.repeat(32));
      const [, response] = (await once(silent, 'request')) as [unknown, ServerResponse];
      // Those that are pending at once are one: until the command has ended, or several of what must not end it.
      for (let times = 1; child.exitCode === null; times++) {
        child.kill(signal);
        await sleep(20);
        if (signal === 'SIGHUP' && times === 5) break;
      }
      response.writeHead(404).end();
      expect((await ended).code).toBe(signal === 'SIGHUP' ? 1 : 128 + constants.signals[signal]);
    });

    if (signal === 'SIGHUP') {
      it('does not come where it is to outlive its terminal', async () => {
        // What nohup does.
        const child = spawn('/bin/sh', ['-c', 'trap "" HUP; exec "$0" "$@"', HOLDFAST, 'snapshots'], { env });
        const ended = finish(child);
        const [, response] = (await once(silent, 'request')) as [unknown, ServerResponse];
        child.kill(signal);
        await sleep(50);
        response.writeHead(404).end();
        expect(await ended).toMatchObject({ code: 1, stderr: expect.not.stringMatching(/cancelled/i) as string });
      });
    }
  });
});
