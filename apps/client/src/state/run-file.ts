import { readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { CommitRequest, KillPoints, StartRunRequest } from '#common';
import type { Body } from '../server-api/server-api';
import { errorCode } from '../system/error-code';
import { syncDirectory, writeDurably } from './durable-write';

/**
 * The run in flight, written before each step that a next process must be able to repeat or undo:
 * `starting`: the server may have begun a run with this token; `running`: it has; `committing`: everything was sent,
 * index.next is complete, and the commit may have happened.
 */
export type RunInFlight = { readonly clientId: string; readonly taskId: string; readonly token: string } & (
  | { readonly phase: 'starting'; readonly request: Body<StartRunRequest> }
  | { readonly phase: 'running'; readonly runId: string }
  | { readonly phase: 'committing'; readonly runId: string; readonly commit: Body<CommitRequest> }
);

/** run.json of one task. */
export class RunFile {
  constructor(
    private readonly path: string,
    private readonly killPoints: KillPoints,
  ) {}

  /** Null when no run is in flight. A file that cannot be read as one is an error: it was written whole. */
  load(): RunInFlight | null {
    try {
      return JSON.parse(readFileSync(this.path, 'utf8')) as RunInFlight;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw new Error(`${this.path} cannot be read: ${String(error)}`, { cause: error });
    }
  }

  save(run: RunInFlight): void {
    writeDurably(this.path, JSON.stringify(run), 'state.run', this.killPoints);
  }

  /** Nothing is in flight any more. May be called twice. */
  clear(): void {
    this.killPoints.hit('state.run-cleared:before');
    rmSync(this.path, { force: true });
    syncDirectory(dirname(this.path));
    this.killPoints.hit('state.run-cleared:after');
  }
}
