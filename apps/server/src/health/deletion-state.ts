import { Injectable } from '@nestjs/common';
import type { HealthCheck } from '#common';
import { DeletionGuard } from '../guards/deletion-guard';

/** Whether retention and reclaim have stopped, as the guard's last look found. */
@Injectable()
export class DeletionState {
  constructor(private readonly guard: DeletionGuard) {}

  async look(): Promise<HealthCheck> {
    const stops = await this.guard.state();
    if (stops.length === 0) return { status: 'ok' };
    return { status: 'warning', detail: `deletion-stopped: ${stops.map(({ kind }) => kind).join(', ')}` };
  }
}
