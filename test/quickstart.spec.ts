import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { temporaryFolder } from './support/processes';

describe('npm run quickstart', () => {
  const folder = temporaryFolder('quickstart');
  afterAll(() => {
    folder.remove();
  });

  it.each(['127.0.0.1', '0.0.0.0'])(
    'names a port that a silent process holds on %s, and makes nothing',
    async (host) => {
      const silent = createServer().listen(0, host);
      await once(silent, 'listening');
      const port = String((silent.address() as AddressInfo).port);
      const data = join(folder.path, 'data');
      const script: ChildProcess = spawn(process.execPath, [resolve('scripts/quickstart.mjs'), '--once', folder.path], {
        env: { PATH: process.env['PATH'], PORT: port, BACKUP_STORAGE_PATH: data },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const ended = once(script, 'close') as Promise<[number | null]>;
      const [words, [code]] = await Promise.all([text(script.stderr!), ended]);
      silent.close();
      expect({ code, words }).toEqual({
        code: 1,
        words: expect.stringMatching(
          new RegExp(`^Port ${port} is held by another process, which is not this Holdfast\\. [^\\n]*\\n$`),
        ) as string,
      });
      expect(existsSync(data)).toBe(false);
    },
  );
});
