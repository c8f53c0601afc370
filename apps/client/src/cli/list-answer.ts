import { createSpools, type SpoolFile } from '../restore/spool-file';
import { makeStateDirectory } from '../state/durable-write';
import { type Output, toJson } from './output';

const PIECE_BYTES = 256 * 1024;

/** One item of a list, as an object and as a line; only the one that is asked for is made. */
export type AddItem = (document: () => object, line: () => string) => void;

/** What is known when the list is complete. */
export interface ListEnd {
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly lines?: readonly string[];
}

/**
 * Answers with a list that may be larger than memory, and that counts only when its source ended without error: it is put
 * together in a file without a name and shown then. The document is `head`, the list under `name`, and the end's fields.
 */
export async function answerWithList(
  output: Output,
  { stateDir, head, name }: { stateDir: string; head: Readonly<Record<string, unknown>>; name: string },
  fill: (add: AddItem) => Promise<ListEnd>,
): Promise<void> {
  makeStateDirectory(stateDir);
  const { answer } = createSpools(stateDir, ['answer']);
  try {
    const write = (text: string): void => void answer.append(Buffer.from(text));
    if (!output.isJson) {
      const { lines = [] } = await fill((_, line) => {
        write(`${line()}\n`);
      });
      for (const line of lines) write(`${line}\n`);
    } else {
      let count = 0;
      write(`{${[...fieldsOf(head), `${JSON.stringify(name)}:[`].join(',')}`);
      const { fields = {} } = await fill((document) => {
        write(`${count > 0 ? ',' : ''}${toJson(document())}`);
        count += 1;
      });
      write(`${[']', ...fieldsOf(fields)].join(',')}}\n`);
    }
    await output.pieces(piecesOf(answer));
  } finally {
    answer.close();
  }
}

function fieldsOf(object: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(object).map((key) => toJson({ [key]: object[key] }).slice(1, -1));
}

function* piecesOf(file: SpoolFile): Generator<Buffer> {
  for (let offset = 0; offset < file.length; offset += PIECE_BYTES) {
    yield file.read(offset, Math.min(PIECE_BYTES, file.length - offset));
  }
}
