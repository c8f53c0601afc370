/**
 * Most paths that the record of a run names. They are reckoned by the versions that it wrote and closed, two of a changed file. A
 * larger run reads its task at the commit: so many looked up one by one cost about as much, and the record stays small (some 400 KB).
 */
export const MAX_RECORDED_PATHS = 200_000;

/** What a batch does to rows of `file_versions`: how many, and of which paths. */
export class RunTouches {
  /** Versions with `first_run` = the run. */
  written = 0;
  /** Versions with `last_run` = the run, and of those the ones with a reason: no newer version takes their place. */
  closed = 0;
  ended = 0;
  private paths: Set<number> | null = new Set();

  addWritten(versions: readonly { readonly pathNo: number }[]): void {
    this.written += versions.length;
    this.addPaths(versions);
  }

  addClosed(closings: readonly { readonly pathNo: number; readonly reason: number | null }[]): void {
    this.closed += closings.length;
    for (const { reason } of closings) if (reason !== null) this.ended += 1;
    this.addPaths(closings);
  }

  /** Rising; null when they are more than a record names (a directory as large as a task became a file). */
  get pathNos(): number[] | null {
    return this.paths && [...this.paths].sort((a, b) => a - b);
  }

  private addPaths(rows: readonly { readonly pathNo: number }[]): void {
    for (const { pathNo } of rows) this.paths?.add(pathNo);
    if (this.paths !== null && this.paths.size > MAX_RECORDED_PATHS) this.paths = null;
  }
}
