import { posix } from 'node:path';
import { type SnapshotSummary } from '#common';
import { parsePath } from '#engine';
import { type ServerApi } from '../server-api/server-api';
import { isProblem } from '../server-api/server-problem';
import { encodeArgument } from './argument-bytes';
import { CliError, ExitCode } from './failure';
import { printableBytes } from './printable';

const MIN_PREFIX = 6;
const PREFIX = /^[0-9a-f-]{6,36}$/;

/** `latest`, a snapshot's id, or the beginning of one (6 characters and more) that fits only one. */
export async function findSnapshot(api: Pick<ServerApi, 'snapshots'>, reference: string): Promise<SnapshotSummary> {
  assertReference(reference, 'snapshot');
  const { snapshots } = await api.snapshots();
  const newestFirst = snapshots.toSorted((a, b) => b.stampMs - a.stampMs);
  return pickByReference(newestFirst, reference, 'snapshot');
}

type Noun = 'snapshot' | 'run';

/** Before anything is asked of the server. */
export function assertReference(reference: string, noun: Noun): void {
  const wanted = reference.toLowerCase();
  if (wanted !== 'latest' && !PREFIX.test(wanted)) {
    throw new CliError(
      'usage',
      `"${reference}" names no ${noun}: give "latest", an id, or at least ${MIN_PREFIX} characters of one`,
      ExitCode.usage,
    );
  }
}

/** The same words for whatever has an id; `latest` is the first of them. */
export function pickByReference<T extends { readonly id: string }>(
  newestFirst: readonly T[],
  reference: string,
  noun: Noun,
): T {
  const wanted = reference.toLowerCase();
  const [newest] = newestFirst;
  if (wanted === 'latest') {
    if (newest === undefined) throw nothingYet(noun);
    return newest;
  }
  const found = newestFirst.filter(({ id }) => id.startsWith(wanted));
  const [only] = found;
  if (only === undefined) throw new CliError('not-found', `No ${noun} begins with ${wanted}. See: holdfast ${noun}s`);
  if (found.length > 1) {
    throw new CliError('ambiguous', `${found.length} ${noun}s begin with ${wanted}: give more characters`);
  }
  return only;
}

/** All snapshots of this client; there is at least one. */
export async function allSnapshots(api: Pick<ServerApi, 'snapshots'>): Promise<SnapshotSummary[]> {
  const { snapshots } = await api.snapshots();
  if (snapshots.length === 0) throw nothingYet('snapshot');
  return snapshots;
}

function nothingYet(noun: Noun): CliError {
  return new CliError('not-found', `There is no ${noun} yet. Make one: holdfast backup PATH`);
}

/** `SNAPSHOT[:PATH]` */
export function splitReference(text: string): { snapshot: string; path: string } {
  const colon = text.indexOf(':');
  return colon === -1
    ? { snapshot: text, path: '/' }
    : { snapshot: text.slice(0, colon), path: text.slice(colon + 1) || '/' };
}

/** What the server says of a path that the snapshot has not, without the request; any other failure as it is. */
export function orNothingAt(error: unknown, { snapshotId, path }: { snapshotId: string; path: Buffer }): unknown {
  if (path.length <= 1 || !isProblem(error, 'not-found')) return error;
  return new CliError('not-found', `Snapshot ${snapshotId} holds no ${printableBytes(path)}.`);
}

/** A path within a snapshot: absolute, or seen from where the user stands. Links are not resolved: it need not exist. */
export function snapshotPath(text: string, workingDirectory: string): Buffer {
  if (text === '') throw new CliError('usage', 'An empty path names nothing.', ExitCode.usage);
  const bytes = encodeArgument(text).toString('latin1');
  const resolved = posix.resolve(encodeArgument(workingDirectory).toString('latin1'), bytes);
  return parsePath(Buffer.from(resolved, 'latin1'));
}
