import { Argument, Command, Option } from 'commander';
import { backup } from './commands/backup';
import { check } from './commands/check';
import { diff } from './commands/diff';
import { enroll, type EnrollArguments } from './commands/enroll';
import { find } from './commands/find';
import { history } from './commands/history';
import { ls } from './commands/ls';
import { restore } from './commands/restore';
import { runs } from './commands/runs';
import { snapshots } from './commands/snapshots';
import { stats } from './commands/stats';
import { completionScript, type Shell, SHELLS } from './completion-script';
import { assertEnrollArguments } from './enroll-arguments';
import { epilogue, SECTIONS } from './epilogue';
import { ExitCode } from './failure';
import { manPage } from './man-page';
import { type Output } from './output';
import { AGENT_VERSION } from './version';
import { type World } from './world';

const RELATIVE = 'one that does not begin with "/" is seen from the working directory';
const SNAPSHOT = 'an id, at least 6 characters of one, or "latest"';

type Done = (code: ExitCode) => void;
type Add = (name: string, description: string) => Command;

/** The command line. Every command tells its exit code to `done`; usage errors are thrown as CommanderError. */
export function buildProgram(world: World, output: Output, done: Done): Command {
  const program = new Command('holdfast')
    .description('Holdfast agent: backs up this machine and restores from its snapshots.')
    .version(AGENT_VERSION)
    .addHelpText('after', epilogue());
  const add: Add = (name, description) =>
    program
      .command(name)
      .description(description)
      .option('--json', 'print exactly one JSON document on standard output');
  addBackup(add, world, output, done);
  addReading(add, world, output, done);
  addRestore(add, world, output, done);
  addInspection(add, world, output, done);
  addShell(add, program, output, done);
  return program;
}

function addBackup(add: Add, world: World, output: Output, done: Done): void {
  add('enroll', 'make this machine a client of a server')
    .option('--server <url>', 'the server, such as https://backup.example.org (required)')
    .option('--username <name>', 'a user of the server')
    .option('--password-stdin', 'read the password from standard input instead of asking for it', false)
    .option('--code <code>', 'an enrolment code, instead of a user and a password')
    .option('--code-stdin', 'read the code from standard input: arguments are seen in the list of processes', false)
    .option(
      '--client <id>',
      'the client whose new secret stands on standard input (after it was rotated on the server)',
    )
    .option('--name <name>', "the client's name (default: the host's name)")
    .action(async (options: Omit<EnrollArguments, 'server'> & { server?: string }, command: Command) => {
      const server = required(options.server, '--server <url>', command);
      assertEnrollArguments(options);
      done(await enroll(world, output, { ...options, server }));
    });

  add('backup', 'back up files and folders')
    .argument('<path...>', 'what to back up; of a symbolic link the link itself, unless a slash at the end follows it')
    .option('--exclude <pattern>', 'leave out what matches (gitignore pattern in UTF-8; may be repeated)', collect, [])
    .option('--exclude-file <file>', 'read such patterns from a file, one a line (may be repeated)', collect, [])
    .option('--task <name>', "the client's task; each has a line of runs of its own", 'cli')
    .action(async (paths: string[], options: { exclude: string[]; excludeFile: string[]; task: string }) => {
      done(await backup(world, output, { paths, ...options }));
    });
}

function addReading(add: Add, world: World, output: Output, done: Done): void {
  add('snapshots', 'list the snapshots of this machine, newest first').action(async () => {
    done(await snapshots(world, output));
  });

  add('ls', 'list a directory of a snapshot')
    .argument('<snapshot[:path]>', `${SNAPSHOT}; then ":" and a path (default: the root; ${RELATIVE})`)
    .action(async (reference: string) => {
      done(await ls(world, output, reference));
    });

  add('find', 'find paths by a pattern, in the newest snapshot of every task')
    .argument(
      '<pattern>',
      'as in .gitignore: without a slash a name at any depth, with one the whole path; * ? ** [a-z]; a slash at the end: directories only',
    )
    .addOption(new Option('--snapshot <snapshot>', `look into this one instead: ${SNAPSHOT}`))
    .addOption(new Option('--all', 'every version in any snapshot, and which snapshots show it').conflicts('snapshot'))
    .action(async (pattern: string, options: { snapshot?: string; all?: boolean }) => {
      done(await find(world, output, { pattern, ...options, all: options.all === true }));
    });

  add('history', 'list the restorable versions of a file or folder, newest first')
    .argument('<path>', `the file or folder; it need not exist any more; ${RELATIVE}`)
    .action(async (path: string) => {
      done(await history(world, output, path));
    });

  add('diff', 'list what was added, removed and changed between two snapshots, and what about it')
    .argument('<snapshot>', `the older one: ${SNAPSHOT}`)
    .argument('<snapshot>', 'the newer one')
    .action(async (from: string, to: string) => {
      done(await diff(world, output, [from, to]));
    });
}

function addRestore(add: Add, world: World, output: Output, done: Done): void {
  add('restore', 'restore a snapshot; the full source paths are recreated below the target')
    .argument('<snapshot>', SNAPSHOT)
    .option('--target <dir>', 'where to restore to; created when missing (required)')
    .option('--path <path>', `restore only this file or folder; ${RELATIVE}`)
    .addOption(new Option('--overwrite', 'replace files that exist').conflicts('skipExisting'))
    .addOption(new Option('--skip-existing', 'keep files that exist'))
    .action(
      async (
        snapshot: string,
        options: { target?: string; path?: string; overwrite?: boolean; skipExisting?: boolean },
        command: Command,
      ) => {
        const { overwrite, skipExisting, ...rest } = options;
        const target = required(options.target, '--target <dir>', command);
        const conflicts = overwrite === true ? 'overwrite' : skipExisting === true ? 'skip' : 'refuse';
        done(await restore(world, output, { ...rest, target, snapshot, conflicts }));
      },
    );
}

function addInspection(add: Add, world: World, output: Output, done: Done): void {
  add('check', 'verify that the server holds what the snapshots show; name what is damaged')
    .argument('[snapshot]', `${SNAPSHOT} (default: all snapshots)`)
    .option('--read-data', 'also read every chunk and hold it against its id', false)
    .action(async (snapshot: string | undefined, { readData }: { readData: boolean }) => {
      done(await check(world, output, { readData, ...(snapshot === undefined ? {} : { snapshot }) }));
    });

  add('runs', 'list the runs of this machine, newest first, whatever became of them')
    .argument('[run]', 'one run, with the paths that it did not save: an id, at least 6 characters of one, or "latest"')
    .action(async (run: string | undefined) => {
      done(await runs(world, output, run));
    });

  add('stats', 'tell what the snapshots hold, what they take in storage, and the ratio').action(async () => {
    done(await stats(world, output));
  });
}

function addShell(add: Add, program: Command, output: Output, done: Done): void {
  add('completion', 'print a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action(async (shell: Shell) => {
      const script = completionScript(program, shell);
      await output.answer({ shell, script }, [script.trimEnd()]);
      done(ExitCode.done);
    });

  add('man', 'print the manual page: holdfast man | man -l -').action(async () => {
    const page = manPage(program, { version: AGENT_VERSION, sections: SECTIONS });
    await output.answer({ page }, [page.trimEnd()]);
    done(ExitCode.done);
  });
}

/** Commander misses a required option before it tells of one that it does not know, which may be the same one misspelt. */
function required(value: string | undefined, option: string, command: Command): string {
  return value ?? command.error(`error: required option '${option}' not specified`);
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
