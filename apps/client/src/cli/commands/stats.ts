import { type RunSummary } from '#common';
import { allRuns } from '../all-runs';
import { ExitCode } from '../failure';
import { type Output } from '../output';
import { printableBytes } from '../printable';
import { withLookupSession } from '../session';
import { formatBytes, formatCount, formatTimeMs } from '../units';
import { type World } from '../world';

/**
 * What the snapshots hold and what they take. `stored` are the bytes that this client's runs added to storage: what others
 * of its domain had stored before them is not counted, and nobody outside of it has a share in the figures.
 */
export async function stats(world: World, output: Output): Promise<ExitCode> {
  return withLookupSession(world, async ({ api }) => {
    const runs = await allRuns(api);
    const snapshots = runs.filter(({ stampMs }) => stampMs !== null);
    const total = sumOf(runs, snapshots);
    const none = 'No snapshot yet. Make one: holdfast backup PATH';
    await output.answer(
      { ...total, snapshots: snapshots.map(documentOf) },
      snapshots.length > 0 ? [...snapshots.map(lineOf), ...totalText(total)] : [none],
    );
    return ExitCode.done;
  });
}

interface Total {
  readonly snapshotCount: number;
  /** Of all snapshots together: what could be restored. */
  readonly logicalBytes: number;
  /** Plain bytes that were new to storage. */
  readonly newBytes: number;
  readonly storedBytes: number;
  /** The part of it that runs without a snapshot stored; a later run finds it there. */
  readonly storedWithoutSnapshotBytes: number;
  /** logical / stored; null when nothing is stored. */
  readonly ratio: number | null;
}

function sumOf(runs: readonly RunSummary[], snapshots: readonly RunSummary[]): Total {
  const sum = (of: readonly RunSummary[], figure: (run: RunSummary) => number): number =>
    of.reduce((total, run) => total + figure(run), 0);
  const logicalBytes = sum(snapshots, (run) => run.logicalBytes);
  const storedBytes = sum(runs, (run) => run.storedBytes);
  return {
    snapshotCount: snapshots.length,
    logicalBytes,
    newBytes: sum(runs, (run) => run.newBytes),
    storedBytes,
    storedWithoutSnapshotBytes: storedBytes - sum(snapshots, (run) => run.storedBytes),
    ratio: ratioOf(logicalBytes, storedBytes),
  };
}

function ratioOf(logicalBytes: number, storedBytes: number): number | null {
  return storedBytes === 0 ? null : Math.round((logicalBytes / storedBytes) * 100) / 100;
}

function documentOf(run: RunSummary): object {
  const { id, task, number, state, stampMs, files, directories, logicalBytes, readBytes, newBytes, storedBytes } = run;
  const time = new Date(stampMs ?? 0).toISOString();
  const figures = { files, directories, logicalBytes, readBytes, newBytes, storedBytes };
  return { id, task, number, state, stampMs, time, ...figures, ratio: ratioOf(logicalBytes, storedBytes) };
}

function lineOf(run: RunSummary): string {
  const { id, stampMs, logicalBytes, storedBytes } = run;
  const task = printableBytes(Buffer.from(run.task));
  const sizes = `${formatBytes(logicalBytes).padStart(10)} logical ${formatBytes(storedBytes).padStart(10)} stored`;
  return `${id} ${formatTimeMs(stampMs ?? 0)} ${task} ${sizes}${ratioText(ratioOf(logicalBytes, storedBytes))}`;
}

function totalText(total: Total): string[] {
  const { snapshotCount, logicalBytes, storedBytes, storedWithoutSnapshotBytes, ratio } = total;
  const rest =
    storedWithoutSnapshotBytes === 0
      ? ''
      : ` (${formatBytes(storedWithoutSnapshotBytes)} of it by runs that made no snapshot)`;
  return [
    `${formatCount(snapshotCount, 'snapshot')}: ${formatBytes(logicalBytes)} logical, ${formatBytes(storedBytes)} stored${rest}${ratioText(ratio)}.`,
  ];
}

function ratioText(ratio: number | null): string {
  return ratio === null ? '' : `, ratio ${ratio.toFixed(2)}`;
}
