import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { ManifestWriter } from './manifest-writer';
import { RunCommit } from './runs-commit';
import { RunUndo } from './runs-undo';

const TICK_MS = 15_000;

/** Brings runs to their end that nobody else does: after a crash of the server, and when an agent has gone silent. */
@Injectable()
export class RunsScheduler implements OnApplicationBootstrap {
  private readonly logger = new Logger(RunsScheduler.name);
  private isTicking = false;

  constructor(
    private readonly commits: RunCommit,
    private readonly undos: RunUndo,
    private readonly manifests: ManifestWriter,
  ) {}

  /** Behind the start: the server serves meanwhile, and what is unfinished keeps off only its own task. */
  onApplicationBootstrap(): void {
    void this.sweep({ onlyExpired: false });
  }

  @Interval(TICK_MS)
  async tick(): Promise<void> {
    await this.sweep({ onlyExpired: true });
  }

  private async sweep(which: { onlyExpired: boolean }): Promise<void> {
    if (this.isTicking) return;
    this.isTicking = true;
    try {
      await this.undos.closeExpired();
      await this.undos.resume();
      await this.commits.finishInterrupted(which);
      await this.manifests.forgetDraftsOver();
    } catch (error) {
      this.logger.error(`Unfinished runs could not be looked after: ${String(error)}`);
    } finally {
      this.isTicking = false;
    }
  }
}
