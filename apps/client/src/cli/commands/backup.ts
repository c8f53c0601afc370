import { lstatSync } from 'node:fs';
import { LIMITS } from '#common';
import { type BackupOutcome, type PathProblem } from '../../backup/backup';
import { normaliseRoots } from '../../backup/roots';
import { runBackup } from '../../backup/run-backup';
import { errorCode } from '../../system/error-code';
import { encodeArgument } from '../argument-bytes';
import { excludePatterns } from '../exclude-patterns';
import { CliError, ExitCode } from '../failure';
import { jsonPath, type Output } from '../output';
import { printableBytes } from '../printable';
import { ProgressBar } from '../progress-bar';
import { killPointsOf, withSession } from '../session';
import { formatBytes, formatCount, formatTimeMs } from '../units';
import { AGENT_VERSION } from '../version';
import { type World } from '../world';

export interface BackupArguments {
  paths: string[];
  exclude: string[];
  excludeFile: string[];
  task: string;
}

const MAX_SHOWN = 50;
const MAX_NAMED_ROOTS = 20;
const MAX_TASK_NAME = 128;

export async function backup(world: World, output: Output, args: BackupArguments): Promise<ExitCode> {
  if (args.task === '' || args.task.length > MAX_TASK_NAME || /\p{Cc}/u.test(args.task)) {
    throw new CliError('usage', `--task takes 1 to ${MAX_TASK_NAME} characters, no control characters`, ExitCode.usage);
  }
  const excludes = excludePatterns(world, args);
  if (args.paths.includes('')) throw new CliError('usage', 'An empty path names nothing.', ExitCode.usage);
  const roots = args.paths.map(encodeArgument);
  const workingDirectory = encodeArgument(world.workingDirectory);
  assertRoots(roots, normaliseRoots(roots, workingDirectory));
  const bar = new ProgressBar(world.stderr);
  const outcome = await withSession(world, async ({ api, settings, identity }) => {
    try {
      return await runBackup(
        {
          roots,
          excludes,
          taskName: args.task,
          workingDirectory,
          signal: world.signal,
          ...(output.isJson
            ? {}
            : {
                onProgress: (progress) => {
                  bar.backup(progress);
                },
              }),
        },
        {
          api,
          stateDir: settings.stateDir,
          clientId: identity.clientId,
          killPoints: killPointsOf(settings),
          compressionLevel: settings.compressionLevel,
          agentVersion: AGENT_VERSION,
          hostName: world.hostName,
        },
      );
    } catch (error) {
      if (world.signal.aborted && error === world.signal.reason) throw cancelled();
      throw error;
    } finally {
      bar.stop();
    }
  });
  if (outcome.state === 'cancelled') throw cancelled();
  report(output, 'Not saved', outcome.unsaved, outcome.unsavedCount);
  report(output, 'Note', outcome.notes, outcome.noteCount);
  await output.answer(documentOf(args.task, outcome), textOf(outcome));
  return outcome.state === 'succeeded' ? ExitCode.done : ExitCode.partial;
}

/** One missing path among others keeps what it held and makes the run partial; with none there, nothing can be meant. */
function assertRoots(given: readonly Buffer[], roots: readonly Buffer[]): void {
  if (!roots.some(isThere)) {
    const names = given.slice(0, MAX_NAMED_ROOTS).map(printableBytes).join(', ');
    const more = given.length > MAX_NAMED_ROOTS ? ` and ${given.length - MAX_NAMED_ROOTS} more` : '';
    const verb = given.length === 1 ? 'does' : 'do';
    throw new CliError('not-found', `Nothing to back up: ${names}${more} ${verb} not exist.`);
  }
  const instead = 'Name a folder that holds them, and --exclude what is not to be saved.';
  if (roots.length > LIMITS.roots) {
    throw new CliError(
      'usage',
      `At most ${LIMITS.roots} paths can be backed up at once, and these are ${roots.length}. ${instead}`,
      ExitCode.usage,
    );
  }
  const bytes = roots.reduce((sum, root) => sum + root.length, 0);
  if (bytes > LIMITS.rootBytes) {
    throw new CliError(
      'usage',
      `The paths to back up have at most ${LIMITS.rootBytes} bytes together, and these have ${bytes}. ${instead}`,
      ExitCode.usage,
    );
  }
}

function cancelled(): CliError {
  return new CliError('cancelled', 'The backup was cancelled; no snapshot was made.');
}

/** False only with proof: what cannot be looked at may well be there. */
function isThere(root: Buffer): boolean {
  try {
    lstatSync(root);
    return true;
  } catch (error) {
    return errorCode(error) !== 'ENOENT';
  }
}

function report(output: Output, what: string, problems: readonly PathProblem[], count: number): void {
  for (const { path, reason } of problems.slice(0, MAX_SHOWN)) {
    output.notice(`${what}: ${printableBytes(path)}: ${reason}`);
  }
  if (count > MAX_SHOWN) output.notice(`${what}: ${count - MAX_SHOWN} more; --json names up to a thousand.`);
}

function documentOf(task: string, outcome: BackupOutcome): object {
  const problem = ({ path, reason }: PathProblem): object => ({ ...jsonPath(path), reason });
  return {
    snapshot: outcome.runId,
    task,
    state: outcome.state,
    stampMs: outcome.stampMs,
    ...(outcome.stampMs === null ? {} : { time: new Date(outcome.stampMs).toISOString() }),
    ...outcome.stats,
    unsaved: outcome.unsaved.map(problem),
    unsavedCount: outcome.unsavedCount,
    notes: outcome.notes.map(problem),
    noteCount: outcome.noteCount,
  };
}

function textOf({ runId, state, stampMs, stats, unsavedCount }: BackupOutcome): string[] {
  const time = stampMs === null ? '' : ` of ${formatTimeMs(stampMs)}`;
  const sizes = `${formatCount(stats.files, 'file')}, ${formatCount(stats.directories, 'directory', 'directories')}, ${formatBytes(stats.logicalBytes)}`;
  const lines = [
    `Snapshot ${runId}${time}: ${sizes}.`,
    `${formatCount(stats.changes, 'change')}, ${formatBytes(stats.readBytes)} read, ${formatBytes(stats.storedBytes)} stored anew.`,
  ];
  if (state === 'partial') lines.push(`Partial: ${formatCount(unsavedCount, 'path')} could not be saved.`);
  return lines;
}
