import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { insist } from '../processes.mjs';
import { cleanEnvironment, findProgram, firstLineOf } from './found.mjs';

export function findBorg() {
  const file = findProgram('borg');
  if (file === null) return null;
  return {
    name: 'borg',
    version: firstLineOf(file, '--version'),
    compression: 'zstd,3',
    encryption: 'none (its fastest)',
    commands: [
      'borg init --encryption none REPOSITORY',
      'borg create --compression zstd,3 REPOSITORY::NAME SOURCE',
      'borg extract --sparse REPOSITORY::NAME',
    ],

    async open(folder) {
      const repository = join(folder, 'repository');
      const env = cleanEnvironment(join(folder, 'home'), {
        BORG_BASE_DIR: join(folder, 'home'),
        BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
      });
      mkdirSync(env.HOME, { recursive: true });
      await insist({ file, args: ['init', '--encryption', 'none', repository], env });
      let count = 0;
      return {
        serverPid: null,
        stored: repository,
        cache: env.HOME,
        backup: (source) => ({
          file,
          args: ['create', '--compression', 'zstd,3', `${repository}::${(count += 1)}`, source],
          env,
        }),
        restore: (target) => ({ file, args: ['extract', '--sparse', `${repository}::${count}`], env, cwd: target }),
        restored: (target, source) => join(target, source),
        close: async () => undefined,
      };
    },
  };
}
