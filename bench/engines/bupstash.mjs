import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { insist } from '../processes.mjs';
import { cleanEnvironment, findProgram, firstLineOf } from './found.mjs';

export function findBupstash() {
  const file = findProgram('bupstash');
  if (file === null) return null;
  return {
    name: 'bupstash',
    version: firstLineOf(file, 'version'),
    compression: 'zstd:3',
    encryption: 'always',
    commands: [
      'bupstash init',
      'bupstash put --send-log LOG --compression zstd:3 --xattrs n=NUMBER SOURCE',
      'bupstash restore --ownership --xattrs --into TARGET n=NUMBER',
    ],

    async open(folder) {
      const repository = join(folder, 'repository');
      const env = cleanEnvironment(join(folder, 'home'), {
        BUPSTASH_REPOSITORY: repository,
        BUPSTASH_KEY: join(folder, 'key'),
      });
      mkdirSync(env.HOME, { recursive: true });
      await insist({ file, args: ['init'], env });
      await insist({ file, args: ['new-key', '-o', env.BUPSTASH_KEY], env });
      let count = 0;
      return {
        serverPid: null,
        stored: repository,
        cache: env.HOME,
        backup: (source) => ({
          file,
          args: [
            'put',
            '--no-progress',
            '--send-log',
            join(folder, 'home', 'send-log'),
            '--compression',
            'zstd:3',
            '--xattrs',
            `n=${(count += 1)}`,
            source,
          ],
          env,
        }),
        restore: (target) => ({
          file,
          args: ['restore', '--no-progress', '--ownership', '--xattrs', '--into', target, `n=${count}`],
          env,
        }),
        /** It stores what is in a folder, without the way there. */
        restored: (target) => target,
        close: async () => undefined,
      };
    },
  };
}
