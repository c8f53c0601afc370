import { decodeEntry, decodeEntryRecord, decodeRecordStream } from '#engine';
import { type ServerApi } from '../../server-api/server-api';
import { entryDocument, entryLine } from '../entry-text';
import { ExitCode } from '../failure';
import { answerWithList } from '../list-answer';
import { jsonPath, type Output } from '../output';
import { stateFields, tellIfPartial } from '../partial-snapshot';
import { withLookupSession } from '../session';
import { findSnapshot, orNothingAt, snapshotPath, splitReference } from '../snapshot-reference';
import { type World } from '../world';

/** Lists a directory of a snapshot. */
export async function ls(world: World, output: Output, reference: string): Promise<ExitCode> {
  const { snapshot: wanted, path: pathText } = splitReference(reference);
  const path = snapshotPath(pathText, world.workingDirectory);
  return withLookupSession(world, async ({ api, settings: { stateDir } }) => {
    const snapshot = await findSnapshot(api, wanted);
    const head = { snapshot: snapshot.id, ...stateFields(snapshot), ...jsonPath(path) };
    await answerWithList(output, { stateDir, head, name: 'entries' }, async (add) => {
      let count = 0;
      for await (const record of decodeRecordStream(
        listingOf(api, { snapshotId: snapshot.id, path }),
        'entries',
        'listing',
      )) {
        const { path: entryPath, entry: bytes } = decodeEntryRecord(record, `entry ${count} of the listing`);
        const entry = decodeEntry(bytes, `entry ${count} of the listing`);
        add(
          () => entryDocument(entryPath, entry),
          () => entryLine(entryPath, entry),
        );
        count += 1;
      }
      return {};
    });
    tellIfPartial(output, snapshot);
    return ExitCode.done;
  });
}

async function* listingOf(
  api: Pick<ServerApi, 'listing'>,
  place: { snapshotId: string; path: Buffer },
): AsyncGenerator<Uint8Array> {
  try {
    yield* api.listing(place.snapshotId, place.path);
  } catch (error) {
    throw orNothingAt(error, place);
  }
}
