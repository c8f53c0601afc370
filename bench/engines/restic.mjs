import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { insist } from '../processes.mjs';
import { cleanEnvironment, findProgram, firstLineOf } from './found.mjs';

/** The yardstick: ratios are to its figures. */
export function findRestic() {
  const file = findProgram('restic');
  if (file === null) return null;
  return {
    name: 'restic',
    version: firstLineOf(file, 'version'),
    compression: 'auto (its default)',
    encryption: 'always',
    commands: ['restic init', 'restic backup --compression auto SOURCE', 'restic restore latest --target TARGET'],

    async open(folder) {
      const repository = join(folder, 'repository');
      const env = cleanEnvironment(join(folder, 'home'), {
        RESTIC_REPOSITORY: repository,
        RESTIC_PASSWORD: 'benchmark',
        RESTIC_CACHE_DIR: join(folder, 'home', 'cache'),
      });
      mkdirSync(env.HOME, { recursive: true });
      await insist({ file, args: ['init'], env });
      return {
        serverPid: null,
        stored: repository,
        cache: env.HOME,
        backup: (source) => ({ file, args: ['backup', '--compression', 'auto', source], env }),
        restore: (target) => ({ file, args: ['restore', 'latest', '--target', target], env }),
        restored: (target, source) => join(target, source),
        close: async () => undefined,
      };
    },
  };
}
