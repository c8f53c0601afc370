import { Injectable } from '@nestjs/common';

/** Asked anew: it may have been aborted since the last time, which types do not know. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** The process is told to stop: `signal` ends all waits and the run in flight. */
@Injectable()
export class Stopping {
  private readonly controller = new AbortController();

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  stop(): void {
    this.controller.abort(new Error('the agent was stopped'));
  }
}
