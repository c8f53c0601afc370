import type { Environment } from '../config/setting-reader';

/** What a program needs to find others and to speak a language; nothing of the agent's settings, which hold secrets. */
const KEPT = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR'];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `passed`: further names that the machine's operator wants commands to see (COMMAND_ENVIRONMENT). */
export function cleanEnvironment(
  env: Environment,
  passed: readonly string[],
  context: Readonly<Record<string, string>>,
): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (KEPT.includes(entry[0]) || entry[0].startsWith('LC_') || passed.includes(entry[0])),
  );
  return { PATH: DEFAULT_PATH, ...Object.fromEntries(kept), ...context };
}
