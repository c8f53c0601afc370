import { availableParallelism } from 'node:os';
import { type SnapshotSummary } from '#common';
import { type DamagedVersion } from '../../inspect/checked-entries';
import { type CheckOutcome, runCheck } from '../../inspect/run-check';
import { makeStateDirectory } from '../../state/durable-write';
import { ExitCode } from '../failure';
import { jsonPath, type Output } from '../output';
import { printableBytes } from '../printable';
import { ProgressBar } from '../progress-bar';
import { withReadingSession } from '../session';
import { allSnapshots, findSnapshot } from '../snapshot-reference';
import { formatBytes, formatCount, formatTimeMs } from '../units';
import { type World } from '../world';

export interface CheckArguments {
  /** Left out: all of this client's. */
  snapshot?: string;
  readData: boolean;
}

const MAX_SHOWN = 50;

/** Verifies that the server holds what its snapshots show. Ends with `failed` when something is damaged. */
export async function check(world: World, output: Output, args: CheckArguments): Promise<ExitCode> {
  return withReadingSession(world, async ({ api, settings: { stateDir } }) => {
    const snapshots = args.snapshot === undefined ? await allSnapshots(api) : await findSnapshot(api, args.snapshot);
    makeStateDirectory(stateDir);
    const bar = new ProgressBar(world.stderr);
    let outcome: CheckOutcome;
    try {
      outcome = await runCheck(
        {
          snapshots,
          readData: args.readData,
          threads: availableParallelism(),
          signal: world.signal,
          onProgress: (progress) => {
            if (!output.isJson) bar.restore(progress);
          },
        },
        api,
        stateDir,
      );
    } finally {
      bar.stop();
    }
    report(output, outcome);
    const checked = Array.isArray(snapshots) ? snapshots : [snapshots];
    await output.answer(documentOf(checked, args, outcome), textOf(checked, args, outcome));
    return outcome.damagedCount === 0 ? ExitCode.done : ExitCode.failed;
  });
}

function report(output: Output, { damaged, damagedCount }: CheckOutcome): void {
  for (const { path, reason, newest, first } of damaged.slice(0, MAX_SHOWN)) {
    const since = first.id === newest.id ? '' : `, since ${formatTimeMs(first.stampMs)}`;
    output.notice(`Damaged: ${printableBytes(path)} (snapshot ${newest.id}${since}): ${reason}`);
  }
  if (damagedCount > MAX_SHOWN) {
    output.notice(`Damaged: ${damagedCount - MAX_SHOWN} more; --json names up to a thousand.`);
  }
}

function documentOf(checked: readonly SnapshotSummary[], { readData }: CheckArguments, outcome: CheckOutcome): object {
  return {
    state: outcome.damagedCount === 0 ? 'succeeded' : 'failed',
    snapshots: checked.map(({ id }) => id),
    readData,
    ...outcome,
    damaged: outcome.damaged.map(damagedDocument),
  };
}

function damagedDocument({ path, reason, newest, first }: DamagedVersion): object {
  return { ...jsonPath(path), reason, task: newest.task, snapshot: newest.id, firstSnapshot: first.id };
}

function textOf(checked: readonly SnapshotSummary[], { readData }: CheckArguments, outcome: CheckOutcome): string[] {
  const { files, directories, others, logicalBytes, readBytes, damagedCount } = outcome;
  const versions = formatCount(files + directories + others, 'version of a path', 'versions of paths');
  const held = `${formatCount(checked.length, 'snapshot')}: ${versions}, ${formatBytes(logicalBytes)} of files`;
  const how = readData
    ? `every chunk was read (${formatBytes(readBytes)}) and held against its id`
    : 'every chunk is known to the server; --read-data reads them';
  return damagedCount === 0
    ? [`Checked ${held}; ${how}.`]
    : [
        `Checked ${held}.`,
        `Damaged: ${formatCount(damagedCount, 'version')}. The next backup stores again what is still there unchanged.`,
      ];
}
