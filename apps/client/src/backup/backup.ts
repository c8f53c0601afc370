import type { KillPoints, RunTrigger } from '#common';
import type { ScanRules } from './scan-rules';
import type { RunToken, ServerApi } from '../server-api/server-api';

export interface BackupOptions {
  /** Absolute paths, or relative to `workingDirectory`, as bytes. At least one. */
  readonly roots: readonly Buffer[];
  /** Gitignore patterns against absolute paths: see ExcludeRules. */
  readonly excludes: readonly string[];
  /** Directory that stands for '/': paths are read below it and recorded without it. Default: '/'. */
  readonly hostRoot?: string;
  /** What is left out by what it is. Default: nothing. */
  readonly scanRules?: ScanRules;
  readonly taskName: string;
  /** The task's UUID when it is known: a task that the server defined is not opened by its name, which may change. */
  readonly taskId?: string;
  /** What made the run start, and the due time that it starts for (server time, ms). */
  readonly trigger?: RunTrigger;
  readonly dueMs?: number;
  /**
   * Called once the run has begun on the server, before anything is looked at. What it throws fails the run. `walked` are
   * the roots as the run walks them (normaliseRoots): who judges them judges these, for links may have changed since.
   */
  readonly onStarted?: (run: RunToken, walked: readonly Buffer[]) => Promise<void>;
  /** Absolute; the process's own by default. */
  readonly workingDirectory?: Buffer;
  /** Called often and synchronously: whoever draws thins out. */
  readonly onProgress?: (progress: BackupProgress) => void;
  /** Ends the run as cancelled. From the commit on it has no effect. */
  readonly signal?: AbortSignal;
}

/** What a backup needs from the world. */
export interface BackupDeps {
  readonly api: ServerApi;
  readonly stateDir: string;
  /** The enrolled client's UUID: state of another one is left behind. */
  readonly clientId: string;
  readonly killPoints: KillPoints;
  /** zstd level of new blocks: 0 (stored) to 19. */
  readonly compressionLevel: number;
  readonly agentVersion: string;
  readonly hostName: string;
}

export interface BackupProgress {
  /** Paths seen so far, and how many the last run knew (null at the first): for an estimate. */
  readonly entries: number;
  readonly expectedEntries: number | null;
  readonly bytesRead: number;
  /** Bytes of blocks as sent. */
  readonly bytesUploaded: number;
  readonly currentPath: Buffer;
}

export interface BackupStats {
  /** What the snapshot holds: everything but directories, directories, bytes of files. */
  readonly files: number;
  readonly directories: number;
  readonly logicalBytes: number;
  /** What this run did. */
  readonly changes: number;
  readonly readBytes: number;
  readonly newChunks: number;
  readonly uploadedBytes: number;
  /** Bytes that the new packs take in storage. */
  readonly storedBytes: number;
}

export interface PathProblem {
  readonly path: Buffer;
  readonly reason: string;
}

export interface BackupOutcome {
  readonly runId: string;
  /** `partial`: something was not saved, or kept because its absence could not be proven. */
  readonly state: 'succeeded' | 'partial' | 'cancelled';
  /** The snapshot's time by the server's clock; null when cancelled. */
  readonly stampMs: number | null;
  readonly stats: BackupStats;
  /** The first MAX_REPORTED of each kind; the counts say how many there were. */
  readonly unsaved: readonly PathProblem[];
  readonly unsavedCount: number;
  readonly notes: readonly PathProblem[];
  readonly noteCount: number;
}

export const MAX_REPORTED = 1_000;
