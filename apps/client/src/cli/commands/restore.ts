import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { type ConflictPolicy } from '../../restore/ports';
import { type RestoreOutcome, runRestore } from '../../restore/run-restore';
import { makeStateDirectory } from '../../state/durable-write';
import { nativeCalls } from '../../system/native-calls';
import { encodeArgument } from '../argument-bytes';
import { CliError, ExitCode } from '../failure';
import { jsonPath, type Output } from '../output';
import { stateFields, tellIfPartial } from '../partial-snapshot';
import { printableBytes } from '../printable';
import { ProgressBar } from '../progress-bar';
import { withReadingSession } from '../session';
import { findSnapshot, orNothingAt, snapshotPath } from '../snapshot-reference';
import { formatBytes, formatCount } from '../units';
import { type World } from '../world';

export interface RestoreArguments {
  snapshot: string;
  target: string;
  path?: string;
  conflicts: ConflictPolicy;
}

const MAX_SHOWN = 50;

export async function restore(world: World, output: Output, args: RestoreArguments): Promise<ExitCode> {
  const path = snapshotPath(args.path ?? '/', world.workingDirectory);
  if (args.target === '') throw new CliError('usage', 'An empty target names nothing.', ExitCode.usage);
  const target = encodeArgument(resolve(world.workingDirectory, args.target));
  const begun: { snapshotId: string | null } = { snapshotId: null };
  try {
    return await restoreTo(target, path, { world, output, args, begun });
  } catch (error) {
    if (begun.snapshotId === null || !(error instanceof CliError) || error.code !== 'cancelled') throw error;
    throw cutOff(begun.snapshotId, args.conflicts);
  }
}

/** `begun` is told the snapshot that `latest` or a few characters name as soon as it is known. */
function restoreTo(
  target: Buffer,
  path: Buffer,
  {
    world,
    output,
    args,
    begun,
  }: {
    world: World;
    output: Output;
    args: RestoreArguments;
    begun: { snapshotId: string | null };
  },
): Promise<ExitCode> {
  return withReadingSession(world, async ({ api, settings }) => {
    const snapshot = await findSnapshot(api, args.snapshot);
    const snapshotId = snapshot.id;
    begun.snapshotId = snapshotId;
    makeStateDirectory(settings.stateDir);
    const bar = new ProgressBar(world.stderr);
    let outcome: RestoreOutcome;
    try {
      outcome = await runRestore(
        {
          snapshotId,
          target,
          path,
          conflicts: args.conflicts,
          signal: world.signal,
          ...(output.isJson
            ? {}
            : {
                onProgress: (progress) => {
                  bar.restore(progress);
                },
              }),
        },
        { server: api, system: nativeCalls(), spoolDirectory: settings.stateDir, threads: availableParallelism() },
      );
    } catch (error) {
      throw orNothingAt(error, { snapshotId, path });
    } finally {
      bar.stop();
    }
    report(output, outcome);
    tellIfPartial(output, snapshot);
    await output.answer({ ...documentOf(target, outcome), ...stateFields(snapshot) }, textOf(target, outcome));
    return outcome.failedCount === 0 ? ExitCode.done : ExitCode.partial;
  });
}

function cutOff(snapshotId: string, conflicts: ConflictPolicy): CliError {
  const option = conflicts === 'overwrite' ? '--overwrite' : '--skip-existing';
  return new CliError(
    'cancelled',
    `Cancelled. Files that were not whole were removed. Repeat it with ${option}, the same target and the same snapshot: ${snapshotId}`,
  );
}

function report(output: Output, { failed, failedCount, notes }: RestoreOutcome): void {
  let told = 0;
  for (const { path, reason, belowCount = 0 } of failed.slice(0, MAX_SHOWN)) {
    const below = belowCount === 0 ? '' : `, nor ${formatCount(belowCount, 'path')} below it`;
    output.notice(`Not restored: ${printableBytes(path)}: ${reason}${below}`);
    told += 1 + belowCount;
  }
  if (failedCount > told) {
    output.notice(`Not restored: ${failedCount - told} more; --json names up to a thousand.`);
  }
  for (const note of notes) output.notice(`Note: ${note}`);
}

function documentOf(target: Buffer, outcome: RestoreOutcome): object {
  const { snapshotId, failed, ...rest } = outcome;
  const { path, pathBase64 } = jsonPath(target);
  return {
    snapshot: snapshotId,
    state: outcome.failedCount === 0 ? 'succeeded' : 'partial',
    target: path,
    ...(pathBase64 === undefined ? {} : { targetBase64: pathBase64 }),
    ...rest,
    failed: failed.map(({ path, ...why }) => ({ ...jsonPath(path), ...why })),
  };
}

function textOf(target: Buffer, outcome: RestoreOutcome): string[] {
  const { files, directories, others, skipped, bytes, failedCount } = outcome;
  const parts = [
    formatCount(files, 'file'),
    formatCount(directories, 'directory', 'directories'),
    ...(others > 0 ? [formatCount(others, 'link, FIFO or device', 'links, FIFOs and devices')] : []),
  ];
  const lines = [`Restored ${parts.join(', ')} (${formatBytes(bytes)}) to ${printableBytes(target)}.`];
  if (skipped > 0) lines.push(`Kept ${formatCount(skipped, 'path')} that existed.`);
  if (failedCount > 0) lines.push(`Failed: ${formatCount(failedCount, 'path')} could not be restored.`);
  return lines;
}
