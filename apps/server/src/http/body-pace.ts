import type { IncomingMessage } from 'node:http';

const WINDOW_MS = 60_000;
/** Far below any line that carries backups: 64 bytes a second. */
const MIN_BYTES_PER_WINDOW = 4 * 1024;

interface Mark {
  readonly bytes: number;
  readonly atMs: number;
}

/** Whether bodies come at a pace. Who sends a byte now and then holds a connection, and what it is buffered in, for ever. */
export class BodyPace {
  private readonly marks = new WeakMap<IncomingMessage, Mark>();

  /**
   * Asked now and then while the request is open: true when within the last minute less than 4 KiB of its body came, though the server
   * had read all that was there.
   */
  isTooSlow(request: IncomingMessage, nowMs: number): boolean {
    if (request.complete) return false;
    const bytes = request.socket.bytesRead;
    const mark = this.marks.get(request);
    if (mark !== undefined && nowMs - mark.atMs < WINDOW_MS) return false;
    this.marks.set(request, { bytes, atMs: nowMs });
    // What waits to be read is the server's own slowness, and may have stopped the sender.
    return mark !== undefined && bytes - mark.bytes < MIN_BYTES_PER_WINDOW && request.readableLength === 0;
  }
}
