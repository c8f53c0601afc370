import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { DomainError } from '../http/domain-error';
import { DeletionGuard } from './deletion-guard';

const BEAT_MS = 60_000;
/** Retention after a commit stands on what the last whole look found. */
const LOOK_MS = 3_600_000;

/** Keeps an eye on clock and storage while nothing is deleted. */
@Injectable()
export class GuardsScheduler implements OnModuleInit {
  private readonly logger = new Logger(GuardsScheduler.name);

  constructor(private readonly guard: DeletionGuard) {}

  /** Before anything of the server works: a commit must not delete what a look would have forbidden. */
  onModuleInit(): Promise<void> {
    return this.look();
  }

  @Interval(BEAT_MS)
  async beat(): Promise<void> {
    await this.guarded(async () => {
      const stands = await this.guard.state();
      // A storage that was out of reach is looked at as soon as it may be back.
      if (stands.some(({ kind }) => kind === 'storage-unverified')) await this.guard.assertSafe();
      else await this.guard.beat();
    });
  }

  @Interval(LOOK_MS)
  async look(): Promise<void> {
    await this.guarded(() => this.guard.assertSafe());
  }

  /** What stops deletions stands in the log already. */
  private async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof DomainError && error.code === 'deletion-stopped') return;
      this.logger.error(`Clock and storage could not be looked at: ${String(error)}`);
    }
  }
}
