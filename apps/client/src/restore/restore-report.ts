import { isDiskFull, reasonOf, RestoreError } from './restore-error';

const MAX_NAMED = 1_000;

export interface FailedPath {
  path: Buffer;
  reason: string;
}

/** What went wrong or is worth knowing; bounded, whatever happens: the count is exact, the first thousand are named. */
export class RestoreReport {
  readonly failed: FailedPath[] = [];
  failedCount = 0;
  private readonly notesByText = new Map<string, number>();

  fail(path: Buffer, reason: string): void {
    this.failedCount += 1;
    if (this.failed.length < MAX_NAMED) this.failed.push({ path: Buffer.from(path), reason });
  }

  /** Records a failure of one path; a full disk ends the restore instead. */
  failWith(path: Buffer, error: unknown): void {
    if (error instanceof RestoreError) throw error;
    if (isDiskFull(error)) throw diskFull(error);
    this.fail(path, reasonOf(error));
  }

  /** A note is said once, with the number of paths that it concerns. */
  note(text: string): void {
    const count = this.notesByText.get(text) ?? 0;
    if (count > 0 || this.notesByText.size < MAX_NAMED) this.notesByText.set(text, count + 1);
  }

  get notes(): string[] {
    return [...this.notesByText].map(([text, count]) => `${text} (${count} ${count === 1 ? 'entry' : 'entries'})`);
  }
}

export function diskFull(cause: unknown): RestoreError {
  return new RestoreError(
    'disk-full',
    'The target file system (or the state directory, which holds the plan) is full. Files that were not whole were removed. Make room and restore again with --overwrite.',
    { cause },
  );
}
