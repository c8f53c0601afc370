import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { LIMITS } from '#common';
import { excludePatternProblem } from '#engine';
import { decodeArgument, encodeArgument } from './argument-bytes';
import { CliError, ExitCode } from './failure';
import { printableBytes } from './printable';
import { type World } from './world';

const MAX_SHOWN_PATTERN = 100;

/**
 * The patterns of --exclude and then of the files of --exclude-file, as a run takes them. Throws CliError `usage` for those
 * that could match nothing, and for those that a run cannot be given: a backup must not save silently what was to be left out.
 */
export function excludePatterns(
  world: Pick<World, 'workingDirectory'>,
  { exclude, excludeFile }: { exclude: readonly string[]; excludeFile: readonly string[] },
): string[] {
  for (const pattern of exclude) assertUsable(pattern, '--exclude');
  const patterns = [...exclude, ...excludeFile.flatMap((file) => readPatterns(world, file))];
  if (patterns.length > LIMITS.excludes) {
    throw unusable(`At most ${LIMITS.excludes} patterns can be excluded, and these are ${patterns.length}.`);
  }
  return patterns;
}

/** Lines that are empty or begin with # are none. */
function readPatterns({ workingDirectory }: Pick<World, 'workingDirectory'>, file: string): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(encodeArgument(resolve(workingDirectory, file)));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw unusable(`--exclude-file cannot be read: ${reason}`);
  }
  // latin1 maps bytes to characters one to one.
  const lines = bytes.toString('latin1').split(/\r?\n/);
  return lines.flatMap((line, index) => {
    const pattern = decodeArgument(Buffer.from(line, 'latin1'));
    if (pattern.trim() === '' || pattern.startsWith('#')) return [];
    assertUsable(pattern, `--exclude-file, line ${index + 1}`);
    return [pattern];
  });
}

function assertUsable(pattern: string, where: string): void {
  const bytes = encodeArgument(pattern);
  const shown = `${where}: "${printableBytes(bytes).slice(0, MAX_SHOWN_PATTERN)}"`;
  if (pattern.length > LIMITS.excludeLength) {
    throw unusable(`${shown}... is longer than ${LIMITS.excludeLength} characters.`);
  }
  if (!isUtf8(bytes)) throw unusable(`${shown} is not UTF-8. Write "?" for each byte that is none.`);
  const problem = excludePatternProblem(pattern);
  if (problem !== null) throw unusable(`${shown}: ${problem}`);
}

function unusable(reason: string): CliError {
  return new CliError('usage', reason, ExitCode.usage);
}
