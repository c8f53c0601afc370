import { type Command, CommanderError } from 'commander';
import { ExitCode, failureOf } from './failure';
import { Output } from './output';
import { buildProgram } from './program';
import { type World } from './world';

/** Runs one command line (without node and script) and returns the exit code. Throws nothing. */
export async function runCli(args: readonly string[], world: World): Promise<ExitCode> {
  const output = new Output(world.stdout, world.stderr, wantsJson(args));
  let exitCode: ExitCode = ExitCode.failed;
  const program = buildProgram(world, output, (code) => {
    exitCode = code;
  });
  for (const command of [program, ...program.commands]) speakThrough(command, world, output);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, output);
    const failure = failureOf(error);
    await output.failure(failure);
    return failure.exitCode;
  }
}

/** Asked for anywhere before `--`: it decides how even a usage error is told. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).includes('--json');
}

function speakThrough(command: Command, world: World, output: Output): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => world.stdout.write(text),
    writeErr: (text) => {
      if (!output.isJson) world.stderr.write(text);
    },
  });
}

/** Help and version were printed; everything else that parsing ends with is bad usage, printed for people already. */
async function endOfParsing(error: CommanderError, output: Output): Promise<ExitCode> {
  if (error.exitCode === 0) return ExitCode.done;
  if (output.isJson) {
    const message = error.message.replace(/^error: /, '');
    await output.failure({ code: 'usage', message, exitCode: ExitCode.usage });
  }
  return ExitCode.usage;
}
