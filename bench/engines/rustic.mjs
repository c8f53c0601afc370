import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { insist } from '../processes.mjs';
import { cleanEnvironment, findProgram, firstLineOf } from './found.mjs';

export function findRustic() {
  const file = findProgram('rustic');
  if (file === null) return null;
  return {
    name: 'rustic',
    version: firstLineOf(file, '--version'),
    compression: 'zstd, its default level',
    encryption: 'always',
    commands: ['rustic init', 'rustic backup SOURCE', 'rustic restore latest TARGET'],

    async open(folder) {
      const repository = join(folder, 'repository');
      const env = cleanEnvironment(join(folder, 'home'), {
        RUSTIC_REPOSITORY: repository,
        RUSTIC_PASSWORD: 'benchmark',
        RUSTIC_CACHE_DIR: join(folder, 'home', 'cache'),
        RUSTIC_NO_PROGRESS: 'true',
      });
      mkdirSync(env.HOME, { recursive: true });
      await insist({ file, args: ['init'], env });
      return {
        serverPid: null,
        stored: repository,
        cache: env.HOME,
        backup: (source) => ({ file, args: ['backup', source], env }),
        restore: (target) => ({ file, args: ['restore', 'latest', target], env }),
        restored: (target, source) => join(target, source),
        close: async () => undefined,
      };
    },
  };
}
