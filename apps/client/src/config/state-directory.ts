import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the agent keeps its state: HOLDFAST_STATE_DIR as it is given, else the place that the system means for such files. */
export function stateDirectory(env: Environment = process.env): string {
  const given = env['HOLDFAST_STATE_DIR'];
  if (given !== undefined && given !== '') return given;
  if (process.platform !== 'win32' && process.getuid?.() === 0) return '/var/lib/holdfast';
  const stateHome = env['XDG_STATE_HOME'];
  const base = stateHome !== undefined && isAbsolute(stateHome) ? stateHome : join(homedir(), '.local', 'state');
  return join(base, 'holdfast');
}
