import { mergeByPath } from '#engine';
import { differencesOf } from '../../inspect/compare-entries';
import { type SnapshotEntry, snapshotEntries } from '../../inspect/snapshot-entries';
import { entryDocument } from '../entry-text';
import { ExitCode } from '../failure';
import { answerWithList } from '../list-answer';
import { type Output } from '../output';
import { printableBytes } from '../printable';
import { withLookupSession } from '../session';
import { assertReference, findSnapshot } from '../snapshot-reference';
import { type World } from '../world';

/** What became of the paths of one snapshot until another: two streams beside each other, in constant memory. */
export async function diff(world: World, output: Output, [from, to]: readonly [string, string]): Promise<ExitCode> {
  for (const reference of [from, to]) assertReference(reference, 'snapshot');
  return withLookupSession(world, async ({ api, settings: { stateDir } }) => {
    const [before, after] = [await findSnapshot(api, from), await findSnapshot(api, to)];
    const head = { from: before.id, to: after.id };
    await answerWithList(output, { stateDir, head, name: 'changes' }, async (add) => {
      const counts = { added: 0, removed: 0, changed: 0 };
      for await (const pair of mergeByPath(snapshotEntries(api, before.id), snapshotEntries(api, after.id))) {
        const change = changeOf(pair);
        if (change === null) continue;
        counts[change.change] += 1;
        add(
          () => documentOf(change),
          () => lineOf(change),
        );
      }
      const { added, removed, changed } = counts;
      return { fields: counts, lines: [`${added} added, ${removed} removed, ${changed} changed.`] };
    });
    return ExitCode.done;
  });
}

type PathChange =
  | { readonly change: 'added' | 'removed'; readonly shown: SnapshotEntry }
  | {
      readonly change: 'changed';
      readonly shown: SnapshotEntry;
      readonly before: SnapshotEntry;
      readonly what: readonly string[];
    };

function changeOf({ old, now }: { old?: SnapshotEntry; now?: SnapshotEntry }): PathChange | null {
  if (now === undefined) return old === undefined ? null : { change: 'removed', shown: old };
  if (old === undefined) return { change: 'added', shown: now };
  if (old.entryBytes.equals(now.entryBytes)) return null;
  return { change: 'changed', shown: now, before: old, what: differencesOf(old.entry, now.entry) };
}

/** The entry as it is now, or as it was before it was removed. */
function documentOf(change: PathChange): object {
  const { path, entry } = change.shown;
  const document = { change: change.change, ...entryDocument(path, entry) };
  if (change.change !== 'changed') return document;
  return { ...document, changed: change.what, before: entryDocument(path, change.before.entry) };
}

const SIGNS = { added: '+', removed: '-', changed: 'M' } as const;

function lineOf(change: PathChange): string {
  const { path, entry } = change.shown;
  const shown = `${SIGNS[change.change]} ${printableBytes(path)}${entry.kind === 'directory' && path.length > 1 ? '/' : ''}`;
  return change.change === 'changed' ? `${shown} (${change.what.join(', ')})` : shown;
}
