import { type ConflictPolicy } from './ports';
import { isDiskFull, reasonOf, RestoreError, StateDirectoryFullError } from './restore-error';

const MAX_NAMED = 1_000;

export interface FailedPath {
  path: Buffer;
  reason: string;
  /** Paths below it that failed with it and are not named. */
  belowCount?: number;
}

/** Sentences that are said once, with the number of entries that they concern. */
export class Notes {
  private readonly countByText = new Map<string, number>();

  /** `count` 0: it concerns no entries that could be counted. */
  note(text: string, count = 1): void {
    const known = this.countByText.get(text) ?? 0;
    if (known > 0 || this.countByText.size < MAX_NAMED) this.countByText.set(text, known + count);
  }

  /** All that was noted since it was last asked for. */
  take(): [text: string, count: number][] {
    if (this.countByText.size === 0) return [];
    const all = [...this.countByText];
    this.countByText.clear();
    return all;
  }

  get sentences(): string[] {
    return [...this.countByText].map(([text, count]) =>
      count === 0 ? text : `${text} (${count} ${count === 1 ? 'entry' : 'entries'})`,
    );
  }
}

/** What went wrong or is worth knowing; bounded, whatever happens: the count is exact, the first thousand are named. */
export class RestoreReport {
  readonly failed: FailedPath[] = [];
  failedCount = 0;
  private readonly allNotes = new Notes();

  fail(path: Buffer, reason: string): void {
    this.failedCount += 1;
    if (this.failed.length < MAX_NAMED) this.failed.push({ path: Buffer.from(path), reason });
  }

  /** Counts a path below `above`, which has failed just before: there is no place for it. */
  failBelow(above: Buffer): void {
    this.failedCount += 1;
    const named = this.failed.at(-1);
    if (named?.path.equals(above) === true) named.belowCount = (named.belowCount ?? 0) + 1;
  }

  /** Records a failure of one path; a full disk ends the restore instead. */
  failWith(path: Buffer, error: unknown): void {
    if (error instanceof RestoreError || isDiskFull(error)) throw error;
    this.fail(path, reasonOf(error));
  }

  note(text: string, count = 1): void {
    this.allNotes.note(text, count);
  }

  get notes(): string[] {
    return this.allNotes.sentences;
  }
}

/** Which disk is full, and how to go on: as the restore ran, or with what keeps the files that are whole already. */
export function diskFull(cause: unknown, policy: ConflictPolicy): RestoreError {
  const what =
    cause instanceof StateDirectoryFullError
      ? "The file system of the agent's state directory, which holds the plan of the restore, is full."
      : 'The file system of the target is full.';
  const option = policy === 'overwrite' ? '--overwrite' : '--skip-existing';
  return new RestoreError(
    'disk-full',
    `${what} Files that were not whole were removed. Make room and restore again with ${option}.`,
    { cause },
  );
}
