import type { ProgressRequest } from '#common';
import type { BackupProgress } from '../backup/backup';
import type { FleetApi } from '../server-api/fleet-api';
import type { Body, RunToken } from '../server-api/server-api';

const TELL_EVERY_MS = 2_000;

/** Tells the server how far a run is, every two seconds, and hears whether it is to end. */
export class RunProgress {
  private phase: ProgressRequest['phase'] = 'pre-commands';
  private latest: BackupProgress | null = null;
  private toldBytes = 0;
  private toldAt = performance.now();
  private timer: NodeJS.Timeout | null = null;
  private isTelling = false;

  constructor(
    private readonly fleet: FleetApi,
    private readonly onCancelRequested: () => void,
  ) {}

  get current(): { phase: ProgressRequest['phase']; progress: BackupProgress | null } {
    return { phase: this.phase, progress: this.latest };
  }

  start(run: RunToken): void {
    this.timer = setInterval(() => void this.tell(run), TELL_EVERY_MS);
    this.timer.unref();
  }

  enter(phase: ProgressRequest['phase']): void {
    this.phase = phase;
  }

  /** Called often. */
  note(progress: BackupProgress): void {
    this.latest = progress;
  }

  /** May be called twice. */
  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** A failure is nobody's business: the next call of the run itself meets it. */
  private async tell(run: RunToken): Promise<void> {
    if (this.isTelling) return;
    this.isTelling = true;
    try {
      const { isCancelRequested } = await this.fleet.progress(run, this.request());
      if (isCancelRequested) this.onCancelRequested();
    } catch {
      // See above.
    } finally {
      this.isTelling = false;
    }
  }

  private request(): Body<ProgressRequest> {
    const { entries = 0, bytesRead = 0, bytesUploaded = 0, currentPath } = this.latest ?? {};
    const now = performance.now();
    const bytesPerSecond = Math.max(
      0,
      Math.round(((bytesRead - this.toldBytes) * 1_000) / Math.max(1, now - this.toldAt)),
    );
    this.toldBytes = bytesRead;
    this.toldAt = now;
    return {
      phase: this.phase,
      files: entries,
      bytes: bytesRead,
      readBytes: bytesRead,
      sentBytes: bytesUploaded,
      bytesPerSecond,
      ...(currentPath === undefined ? {} : { currentPathBase64: currentPath.subarray(0, 4_096).toString('base64') }),
    };
  }
}
