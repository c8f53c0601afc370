import { mkdtempSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { decodeEntry, decodeEntryRecord, decodeRecordStream } from '#engine';
import { SpoolFile } from '../../restore/spool-file';
import { makeStateDirectory } from '../../state/durable-write';
import { entryDocument, entryLine } from '../entry-text';
import { ExitCode } from '../failure';
import { jsonPath, type Output, toJson } from '../output';
import { withReadingSession } from '../session';
import { findSnapshot, snapshotPath, splitReference } from '../snapshot-reference';
import { type World } from '../world';

const PIECE_BYTES = 256 * 1024;

/**
 * Lists a directory of a snapshot. A directory may be larger than memory, and a list counts only when its end was
 * verified: the answer is put together in a file without a name and shown then.
 */
export async function ls(world: World, output: Output, reference: string): Promise<ExitCode> {
  const { snapshot: wanted, path: pathText } = splitReference(reference);
  const path = snapshotPath(pathText, '/');
  return withReadingSession(world, async ({ api, settings }) => {
    const snapshot = await findSnapshot(api, wanted);
    makeStateDirectory(settings.stateDir);
    const answer = createAnswer(settings.stateDir);
    try {
      const write = (text: string): void => void answer.append(Buffer.from(text));
      if (output.isJson) write(`${toJson({ snapshot: snapshot.id, ...jsonPath(path) }).slice(0, -1)},"entries":[`);
      let count = 0;
      for await (const record of decodeRecordStream(api.listing(snapshot.id, path), 'entries', 'listing')) {
        const { path: entryPath, entry: bytes } = decodeEntryRecord(record, `entry ${count} of the listing`);
        const entry = decodeEntry(bytes, `entry ${count} of the listing`);
        if (output.isJson) write(`${count > 0 ? ',' : ''}${toJson(entryDocument(entryPath, entry))}`);
        else write(`${entryLine(entryPath, entry)}\n`);
        count += 1;
      }
      if (output.isJson) write(']}\n');
      await output.pieces(piecesOf(answer));
      return ExitCode.done;
    } finally {
      answer.close();
    }
  });
}

function createAnswer(stateDir: string): SpoolFile {
  const directory = mkdtempSync(join(stateDir, 'ls-'));
  try {
    return SpoolFile.create(directory, 'answer');
  } finally {
    rmdirSync(directory);
  }
}

function* piecesOf(file: SpoolFile): Generator<Buffer> {
  for (let offset = 0; offset < file.length; offset += PIECE_BYTES) {
    yield file.read(offset, Math.min(PIECE_BYTES, file.length - offset));
  }
}
