import { type HistoryVersion } from '#common';
import { decodeEntry, type Entry } from '#engine';
import { normaliseRoots } from '../../backup/roots';
import { encodeArgument } from '../argument-bytes';
import { entryDocument, modeText } from '../entry-text';
import { CliError, ExitCode } from '../failure';
import { type Output } from '../output';
import { printableBytes } from '../printable';
import { withLookupSession } from '../session';
import { formatTimeMs, formatTimeNs } from '../units';
import { type World } from '../world';

/** The restorable versions of one path, newest first, over all tasks of this client. */
export async function history(world: World, output: Output, pathText: string): Promise<ExitCode> {
  if (pathText === '') throw new CliError('usage', 'An empty path names nothing.', ExitCode.usage);
  // As a backup would name it: links on the way to it are resolved, itself it need not exist any more.
  const [path = Buffer.from('/')] = normaliseRoots([encodeArgument(pathText)], encodeArgument(world.workingDirectory));
  return withLookupSession(world, async ({ api }) => {
    const { versions } = await api.history(path);
    const decoded = versions.map((version) => ({
      version,
      entry: decodeEntry(Buffer.from(version.entryBase64, 'base64'), 'version of the path'),
    }));
    await output.answer(
      { versions: decoded.map(({ version, entry }) => documentOf(path, version, entry)) },
      decoded.length > 0
        ? decoded.map(({ version, entry }) => lineOf(version, entry))
        : [`No version of ${printableBytes(path)} is stored.`],
    );
    return ExitCode.done;
  });
}

function documentOf(path: Buffer, version: HistoryVersion, entry: Entry): object {
  const { task, snapshotId, firstSeenMs, endedMs, endReason } = version;
  return { ...entryDocument(path, entry), task, snapshot: snapshotId, firstSeenMs, endedMs, endReason };
}

function lineOf(version: HistoryVersion, entry: Entry): string {
  const task = printableBytes(Buffer.from(version.task));
  const end = version.endedMs === null ? 'current' : `${version.endReason ?? 'ended'} ${formatTimeMs(version.endedMs)}`;
  const size = String(entry.size).padStart(12);
  const since = formatTimeMs(version.firstSeenMs);
  return `${version.snapshotId} ${task} since ${since} ${modeText(entry)} ${size} modified ${formatTimeNs(entry.mtimeNs)} ${end}`;
}
