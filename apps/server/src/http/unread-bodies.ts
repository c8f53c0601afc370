import type { NextFunction, Request, Response } from 'express';

const DRAIN_MS = 15_000;

/**
 * A request may be answered before its body was read (refused, or found to be bad). Node reads the rest and drops it,
 * so that the sender gets to see the answer; this bounds how long a sender may go on for that.
 */
export function boundUnreadBodies(request: Request, response: Response, next: NextFunction): void {
  response.once('finish', () => {
    if (request.complete) return;
    const timer = setTimeout(() => request.socket.destroy(), DRAIN_MS);
    timer.unref();
    const stop = (): void => {
      clearTimeout(timer);
    };
    request.once('end', stop);
    request.once('close', stop);
    request.resume();
  });
  next();
}
