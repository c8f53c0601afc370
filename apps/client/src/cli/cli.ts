import { hostname } from 'node:os';
import { getSystemErrorMessage } from 'node:util';
import { onHangUp, outlivesTerminal } from '#common';
import { HttpServerApi } from '../server-api/http-server-api';
import { errorCode } from '../system/error-code';
import { processArguments, processDirectory } from './argument-bytes';
import { ExitCode } from './failure';
import { runCli } from './run-cli';

const CANCELLING = ['SIGINT', 'SIGTERM'] as const;
/** With the signal's number, what a shell tells of a program that a signal ended. */
const SIGNAL_EXIT = 128;

/** The process's command line: runs it, sets the exit code, and lets the process end by itself. */
export async function main(): Promise<void> {
  const { stdout, stderr, env } = process;
  const cancel = new AbortController();
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // A terminal that is gone, or anything else while the command cleans up: that is still to be done.
      if (cancel.signal.aborted || (stream.isTTY && errorCode(error) === 'EIO')) {
        process.exitCode = ExitCode.failed;
        cancel.abort();
        return;
      }
      // Whoever reads our answer may stop reading (`| head`): not done, but nothing to shout about.
      if (stream === stdout && errorCode(error) !== 'EPIPE') {
        stderr.write(`holdfast: standard output: ${reasonOf(error)}\n`);
      }
      process.exit(ExitCode.failed);
    });
  }
  const onSignal = (name: NodeJS.Signals, number: number): void => {
    // A terminal that closes sends SIGHUP more than once (the shell does, and the kernel): nobody's wish to stop at once.
    if (cancel.signal.aborted && name === 'SIGHUP') return;
    if (cancel.signal.aborted) process.exit(SIGNAL_EXIT + number);
    cancel.abort();
    if (stderr.isTTY) stderr.write('\nholdfast: cancelling, once more to stop at once\n');
  };
  for (const signal of CANCELLING) process.on(signal, onSignal);
  const settled = onHangUp(outlivesTerminal(env), onSignal);
  const exitCode = await runCli(processArguments(), {
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
  // Kept when the answer could not be told.
  process.exitCode ??= exitCode;
  for (const signal of CANCELLING) process.off(signal, onSignal);
  settled();
}

function reasonOf(error: NodeJS.ErrnoException): string {
  return error.errno === undefined ? error.message : getSystemErrorMessage(error.errno);
}
