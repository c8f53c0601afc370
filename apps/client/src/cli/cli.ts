import { hostname } from 'node:os';
import { getSystemErrorMessage } from 'node:util';
import { HttpServerApi } from '../server-api/http-server-api';
import { errorCode } from '../system/error-code';
import { processArguments, processDirectory } from './argument-bytes';
import { ExitCode } from './failure';
import { runCli } from './run-cli';

/** The process's command line: runs it, sets the exit code, and lets the process end by itself. */
export async function main(): Promise<void> {
  const { stdout, stderr, env } = process;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads our answer may stop reading (`| head`): not done, but nothing to shout about.
    if (errorCode(error) !== 'EPIPE') stderr.write(`holdfast: standard output: ${reasonOf(error)}\n`);
    process.exit(ExitCode.failed);
  });
  // Nothing is left to say it to.
  stderr.on('error', () => process.exit(ExitCode.failed));
  const cancel = new AbortController();
  const onSignal = (): void => {
    if (cancel.signal.aborted) process.exit(130);
    cancel.abort();
    if (stderr.isTTY) stderr.write('\nholdfast: cancelling, once more to stop at once\n');
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  process.exitCode = await runCli(processArguments(), {
    env,
    // Made at its first use: few commands read it, and Node takes longer to make it than to parse a command line.
    get stdin() {
      return process.stdin;
    },
    stdout,
    stderr,
    workingDirectory: processDirectory(),
    hostName: hostname(),
    connect: (options) => new HttpServerApi(options),
    signal: cancel.signal,
  });
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
}

function reasonOf(error: NodeJS.ErrnoException): string {
  return error.errno === undefined ? error.message : getSystemErrorMessage(error.errno);
}
