import { Command, Option } from 'commander';
import { backup } from './commands/backup';
import { enroll } from './commands/enroll';
import { history } from './commands/history';
import { ls } from './commands/ls';
import { restore } from './commands/restore';
import { snapshots } from './commands/snapshots';
import { ExitCode } from './failure';
import { type Output } from './output';
import { AGENT_VERSION } from './version';
import { type World } from './world';

const EXIT_CODES = `
Exit codes: ${ExitCode.done} done, ${ExitCode.failed} failed, ${ExitCode.usage} bad usage or settings, ${ExitCode.partial} partial.
State (secret, index files) is kept in HOLDFAST_STATE_DIR.`;
const SNAPSHOT = 'an id, at least 6 characters of one, or "latest"';

/** The command line. Every command tells its exit code to `done`; usage errors are thrown as CommanderError. */
export function buildProgram(world: World, output: Output, done: (code: ExitCode) => void): Command {
  const program = new Command('holdfast')
    .description('Holdfast agent: backs up this machine and restores from its snapshots.')
    .version(AGENT_VERSION)
    .addHelpText('after', EXIT_CODES);
  const command = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--json', 'print exactly one JSON document on standard output');

  command('enroll', 'make this machine a client of a server')
    .requiredOption('--server <url>', 'the server, such as https://backup.example.org')
    .requiredOption('--username <name>', 'a user of the server')
    .option('--password-stdin', 'read the password from standard input instead of asking for it', false)
    .option('--name <name>', "the client's name (default: the host's name)")
    .action(async (options: { server: string; username: string; passwordStdin: boolean; name?: string }) => {
      done(await enroll(world, output, options));
    });

  command('backup', 'back up files and folders')
    .argument('<path...>', 'what to back up')
    .option('--exclude <pattern>', 'leave out what matches (gitignore pattern; may be repeated)', collect, [])
    .option('--exclude-file <file>', 'read such patterns from a file, one a line (may be repeated)', collect, [])
    .option('--task <name>', "the client's task; each has a line of runs of its own", 'cli')
    .action(async (paths: string[], options: { exclude: string[]; excludeFile: string[]; task: string }) => {
      done(await backup(world, output, { paths, ...options }));
    });

  command('snapshots', 'list the snapshots of this machine, newest first').action(async () => {
    done(await snapshots(world, output));
  });

  command('ls', 'list a directory of a snapshot')
    .argument('<snapshot[:path]>', `${SNAPSHOT}; then ":" and a path (default: the root)`)
    .action(async (reference: string) => {
      done(await ls(world, output, reference));
    });

  command('restore', 'restore a snapshot; the full source paths are recreated below the target')
    .argument('<snapshot>', SNAPSHOT)
    .requiredOption('--target <dir>', 'where to restore to; created when missing')
    .option('--path <path>', 'restore only this file or folder')
    .addOption(new Option('--overwrite', 'replace files that exist').conflicts('skipExisting'))
    .addOption(new Option('--skip-existing', 'keep files that exist'))
    .action(
      async (
        snapshot: string,
        options: { target: string; path?: string; overwrite?: boolean; skipExisting?: boolean },
      ) => {
        const { overwrite, skipExisting, ...rest } = options;
        const conflicts = overwrite === true ? 'overwrite' : skipExisting === true ? 'skip' : 'refuse';
        done(await restore(world, output, { ...rest, snapshot, conflicts }));
      },
    );

  command('history', 'list the restorable versions of a file or folder, newest first')
    .argument('<path>', 'the file or folder; it need not exist any more')
    .action(async (path: string) => {
      done(await history(world, output, path));
    });
  return program;
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
