import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { finish, temporaryFolder } from './support/processes';

const HOLDFAST = resolve(__dirname, '../bin/holdfast');
const FULL_DEVICE = '/dev/full';

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
});
