import { LIMITS, type RunProblemItem } from '#common';
import type { Body } from '../server-api/server-api';
import { MAX_REPORTED, type PathProblem } from './backup';

const MAX_REASON = 1_000;
/** Base64 of it is what one item may carry. */
const MAX_PATH_BYTES = 49_152;
const SEND_AT = 500;

/** What could not be saved, and what is worth knowing. The server gets the first LIMITS.problemsPerRun of all. */
export class ProblemLog {
  readonly unsaved: PathProblem[] = [];
  readonly notes: PathProblem[] = [];
  unsavedCount = 0;
  noteCount = 0;
  private pending: Body<RunProblemItem>[] = [];
  private queued = 0;

  /** The run is partial because of it. */
  addUnsaved(path: Buffer, reason: string): void {
    this.unsavedCount += 1;
    this.add(path, 'unsaved', reason);
  }

  addNote(path: Buffer, reason: string): void {
    this.noteCount += 1;
    this.add(path, 'note', reason);
  }

  get isFull(): boolean {
    return this.pending.length >= SEND_AT;
  }

  /** The next items to send, at most as many as one request takes; empty when there are none. */
  take(): Body<RunProblemItem>[] {
    return this.pending.splice(0, LIMITS.problemsPerRequest);
  }

  private add(path: Buffer, kind: RunProblemItem['kind'], reason: string): void {
    const list = kind === 'unsaved' ? this.unsaved : this.notes;
    const text = reason.slice(0, MAX_REASON);
    if (list.length < MAX_REPORTED) list.push({ path: Buffer.from(path), reason: text });
    if (this.queued >= LIMITS.problemsPerRun) return;
    this.queued += 1;
    this.pending.push({ pathBase64: path.subarray(0, MAX_PATH_BYTES).toString('base64'), kind, reason: text });
  }
}
