import { posix } from 'node:path';
import { type SnapshotSummary } from '#common';
import { parsePath } from '#engine';
import { type ServerApi } from '../server-api/server-api';
import { encodeArgument } from './argument-bytes';
import { CliError, ExitCode } from './failure';

const MIN_PREFIX = 6;
const PREFIX = /^[0-9a-f-]{6,36}$/;

/** `latest`, a snapshot's id, or the beginning of one (6 characters and more) that fits only one. */
export async function findSnapshot(api: Pick<ServerApi, 'snapshots'>, reference: string): Promise<SnapshotSummary> {
  const wanted = reference.toLowerCase();
  if (wanted !== 'latest' && !PREFIX.test(wanted)) {
    throw new CliError(
      'usage',
      `"${reference}" names no snapshot: give "latest", an id, or at least ${MIN_PREFIX} characters of one`,
      ExitCode.usage,
    );
  }
  const { snapshots } = await api.snapshots();
  if (wanted === 'latest') {
    const newest = snapshots.reduce<SnapshotSummary | null>(
      (best, one) => (best === null || one.stampMs > best.stampMs ? one : best),
      null,
    );
    if (newest === null) throw new CliError('not-found', 'There is no snapshot yet. Make one: holdfast backup PATH');
    return newest;
  }
  const found = snapshots.filter(({ id }) => id.startsWith(wanted));
  const [only] = found;
  if (only === undefined) throw new CliError('not-found', `No snapshot begins with ${wanted}. See: holdfast snapshots`);
  if (found.length > 1) {
    throw new CliError('ambiguous', `${found.length} snapshots begin with ${wanted}: give more characters`);
  }
  return only;
}

/** `SNAPSHOT[:PATH]` */
export function splitReference(text: string): { snapshot: string; path: string } {
  const colon = text.indexOf(':');
  return colon === -1
    ? { snapshot: text, path: '/' }
    : { snapshot: text.slice(0, colon), path: text.slice(colon + 1) || '/' };
}

/** A path within a snapshot: absolute, or seen from where the user stands. Links are not resolved: it need not exist. */
export function snapshotPath(text: string, workingDirectory: string): Buffer {
  if (text === '') throw new CliError('usage', 'An empty path names nothing.', ExitCode.usage);
  const bytes = encodeArgument(text).toString('latin1');
  const resolved = posix.resolve(encodeArgument(workingDirectory).toString('latin1'), bytes);
  return parsePath(Buffer.from(resolved, 'latin1'));
}
