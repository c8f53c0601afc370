import { CliError, ExitCode } from './failure';
import { type World } from './world';

const MAX_PASSWORD_BYTES = 4_096;
const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const BACKSPACES = ['\u007f', '\b'];

/** From standard input as a whole (one line end at its end is no part of it), or asked for without echo. */
export async function readPassword(world: World, fromStdin: boolean): Promise<string> {
  const password = fromStdin ? await readAll(world) : await prompt(world);
  const what = fromStdin ? 'Standard input' : 'The password';
  if (password === '') throw new CliError('usage', `${what} is empty.`, ExitCode.usage);
  return password;
}

async function readAll({ stdin }: World): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of stdin as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(part);
    length += bytes.length;
    if (length > MAX_PASSWORD_BYTES)
      throw new CliError('usage', 'Standard input is too long for a password.', ExitCode.usage);
    parts.push(bytes);
  }
  return Buffer.concat(parts)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

async function prompt({ stdin, stderr, signal }: World): Promise<string> {
  const { setRawMode } = stdin;
  if (stdin.isTTY !== true || setRawMode === undefined) {
    throw new CliError('usage', 'There is no terminal to ask for the password: use --password-stdin.', ExitCode.usage);
  }
  stderr.write('Password: ');
  stdin.setRawMode?.(true);
  try {
    return await readHidden(stdin, signal);
  } finally {
    stdin.setRawMode?.(false);
    stdin.pause();
    stderr.write('\n');
  }
}

function readHidden(stdin: World['stdin'], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed: string[] = [];
    const end = (settle: () => void): void => {
      stdin.off('data', onData);
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = (): void => {
      end(() => {
        reject(new CliError('cancelled', 'Cancelled.'));
      });
    };
    const onData = (data: Buffer | string): void => {
      for (const char of data.toString()) {
        if (char === CTRL_C) {
          onAbort();
          return;
        }
        if (char === '\r' || char === '\n' || char === CTRL_D) {
          end(() => {
            resolve(typed.join(''));
          });
          return;
        }
        typed = BACKSPACES.includes(char) ? typed.slice(0, -1) : [...typed, char];
      }
    };
    stdin.on('data', onData);
    signal.addEventListener('abort', onAbort);
    stdin.resume();
  });
}
