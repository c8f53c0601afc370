/** A command line for the system's shell, run before or after a backup. */
export interface Command {
  readonly command: string;
  readonly timeoutMs: number;
  /** `abort`: what would come after it in its list is skipped; before a backup, the run fails. */
  readonly onFailure: 'abort' | 'continue';
}

/** `killed`: the run was cancelled. `skipped`: a command before it ended the list. `refused`: this machine does not let the server give it commands. */
export type CommandOutcome = 'succeeded' | 'failed' | 'timed-out' | 'killed' | 'skipped' | 'refused';

/** What became of one command, for the run's record. */
export interface CommandReport {
  readonly phase: 'pre' | 'post';
  /** In its list, from 0. */
  readonly position: number;
  readonly command: string;
  readonly outcome: CommandOutcome;
  /** Null when it was ended by a signal, or never began. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** By this machine's clock. */
  readonly startedMs: number;
  readonly durationMs: number;
  /** What it wrote to stdout and stderr as it came; the middle is left out when it was long (BoundedOutput). */
  readonly output: string;
  readonly isTruncated: boolean;
}
