import { LIMITS } from '#common';
import type { LogSpool, SpooledLines } from '../log/log-spool';
import type { FleetApi } from '../server-api/fleet-api';
import type { ServerLink } from './server-link';

/** A quarter of what one request may hold: the rest is for names and numbers. */
const MAX_BATCH_BYTES = LIMITS.jsonBytes / 8;

/** Sends spooled log lines in batches, oldest first, and forgets those that the server has. */
export class LogShipper {
  /** Number of the next line to send. */
  private next = 1;
  private isShipping = false;

  constructor(
    private readonly spool: LogSpool,
    private readonly fleet: FleetApi,
    private readonly link: ServerLink,
  ) {}

  /** Sends all that there is. A failure leaves the rest for the next time. */
  async ship(): Promise<void> {
    if (this.isShipping || this.link.state.is !== 'online') return;
    this.isShipping = true;
    try {
      for (let batch = this.batch(); batch !== null; batch = this.batch()) {
        const { nextSequence } = await this.fleet.log({ ...batch, lines: [...batch.lines] });
        this.next = Math.max(nextSequence, batch.firstSequence + 1);
        this.spool.acknowledge(this.next);
      }
    } catch (error) {
      // Not into the log, which would grow with each attempt.
      this.link.lost(error);
    } finally {
      this.isShipping = false;
    }
  }

  private batch(): SpooledLines | null {
    const batch = this.spool.read(this.next, LIMITS.logLines);
    if (batch === null) return null;
    let bytes = 0;
    const end = batch.lines.findIndex((line) => (bytes += Buffer.byteLength(line.message) + 150) > MAX_BATCH_BYTES);
    return end <= 0 ? batch : { ...batch, lines: batch.lines.slice(0, end) };
  }
}
