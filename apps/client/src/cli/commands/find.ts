import { type SnapshotSummary } from '#common';
import { type SnapshotEntry, snapshotEntries } from '../../inspect/snapshot-entries';
import { type SnapshotRange, TaskSnapshots } from '../../inspect/snapshot-ranges';
import { taskVersions, type TaskVersion } from '../../inspect/task-versions';
import { type ServerApi } from '../../server-api/server-api';
import { encodeArgument } from '../argument-bytes';
import { entryDocument, entryLine } from '../entry-text';
import { ExitCode } from '../failure';
import { type AddItem, answerWithList } from '../list-answer';
import { jsonPath, type Output } from '../output';
import { PathPattern } from '../path-pattern';
import { printableBytes } from '../printable';
import { withLookupSession } from '../session';
import { allSnapshots, findSnapshot } from '../snapshot-reference';
import { formatCount, formatTimeMs } from '../units';
import { type World } from '../world';

export interface FindArguments {
  pattern: string;
  /** Only this one; left out: the newest of every task. */
  snapshot?: string;
  /** Every version that any snapshot shows. */
  all: boolean;
}

/** Paths that match a pattern. */
export async function find(world: World, output: Output, args: FindArguments): Promise<ExitCode> {
  const pattern = PathPattern.parse(args.pattern);
  return withLookupSession(world, async ({ api, settings: { stateDir } }) => {
    const bytes = encodeArgument(args.pattern);
    const { path: text, pathBase64 } = jsonPath(bytes);
    const head = { pattern: text, ...(pathBase64 === undefined ? {} : { patternBase64: pathBase64 }) };
    const tasks = args.snapshot === undefined ? TaskSnapshots.of(await allSnapshots(api)) : [];
    const snapshots =
      args.snapshot === undefined ? tasks.map(({ newest }) => newest) : [await findSnapshot(api, args.snapshot)];
    await answerWithList(output, { stateDir, head, name: 'entries' }, async (add) => {
      let found = 0;
      const counted: AddItem = (document, line) => {
        found += 1;
        add(document, line);
      };
      if (args.all) for (const task of tasks) await findVersions(api, task, pattern, counted);
      else for (const snapshot of snapshots) await findEntries(api, snapshot, pattern, counted);
      return { lines: found > 0 ? [] : [`Nothing matches ${printableBytes(bytes)}.`] };
    });
    return ExitCode.done;
  });
}

async function findEntries(
  api: Pick<ServerApi, 'entries'>,
  snapshot: SnapshotSummary,
  pattern: PathPattern,
  add: AddItem,
): Promise<void> {
  for await (const { path, entry } of snapshotEntries(api, snapshot.id)) {
    if (!pattern.matches(path, entry.kind === 'directory')) continue;
    add(
      () => ({ ...entryDocument(path, entry), task: snapshot.task, snapshot: snapshot.id }),
      () => `${snapshot.id} ${printableBytes(Buffer.from(snapshot.task))} ${fullLine({ path, entry })}`,
    );
  }
}

async function findVersions(
  api: Pick<ServerApi, 'versions'>,
  task: TaskSnapshots,
  pattern: PathPattern,
  add: AddItem,
): Promise<void> {
  for await (const version of taskVersions(api, task.taskId)) {
    if (!pattern.matches(version.path, version.entry.kind === 'directory')) continue;
    const range = task.rangeOf(version);
    if (range === null) continue;
    add(
      () => versionDocument(task, version, range),
      () => versionLine(task, version, range),
    );
  }
}

function versionDocument(task: TaskSnapshots, { path, entry, endReason }: TaskVersion, range: SnapshotRange): object {
  const { first, newest, count, endedMs } = range;
  return {
    ...entryDocument(path, entry),
    task: task.name,
    snapshot: newest.id,
    firstSnapshot: first.id,
    snapshotCount: count,
    firstSeenMs: first.stampMs,
    endedMs,
    endReason: endedMs === null ? null : (endReason ?? 'replaced'),
  };
}

function versionLine(task: TaskSnapshots, version: TaskVersion, range: SnapshotRange): string {
  const { first, newest, count, endedMs } = range;
  const end = endedMs === null ? 'current' : `${version.endReason ?? 'replaced'} ${formatTimeMs(endedMs)}`;
  const name = printableBytes(Buffer.from(task.name));
  const shown = `in ${formatCount(count, 'snapshot')} since ${formatTimeMs(first.stampMs)} ${end}`;
  return `${newest.id} ${name} ${shown} ${fullLine(version)}`;
}

function fullLine({ path, entry }: Pick<SnapshotEntry, 'path' | 'entry'>): string {
  return entryLine(path, entry, printableBytes(path));
}
