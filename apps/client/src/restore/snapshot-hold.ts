import { isProblem } from '../server-api/server-problem';
import type { RestoreServer } from './ports';

/** Well below what the server's lease lasts. */
const RENEW_MS = 30 * 60_000;

/** Holds a snapshot against retention while it is read. What cannot be renewed is tried again: the lease lasts for hours. */
export class SnapshotHold {
  private constructor(private readonly timer: NodeJS.Timeout) {}

  static async begin(server: RestoreServer, snapshotId: string): Promise<SnapshotHold> {
    try {
      await server.holdSnapshot(snapshotId);
    } catch (error) {
      // A server that can write nothing can remove nothing either, and a restore is what is wanted of it most.
      if (!isProblem(error, 'storage-full')) throw error;
    }
    const timer = setInterval(() => {
      server.holdSnapshot(snapshotId).catch(() => undefined);
    }, RENEW_MS);
    timer.unref();
    return new SnapshotHold(timer);
  }

  end(): void {
    clearInterval(this.timer);
  }
}
