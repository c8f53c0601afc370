import { Injectable } from '@nestjs/common';
import type { HealthCheck } from '#common';
import { DeletionGuard } from '../backups/deletion-guard';
import { DomainError } from '../http/domain-error';

/** A look reads the names of all records in storage. */
const KEPT_MS = 5 * 60_000;

/** Whether retention and reclaim have stopped, as of the last minutes. */
@Injectable()
export class DeletionState {
  private kept: { readonly atMs: number; readonly answer: Promise<HealthCheck> } | null = null;

  constructor(private readonly guard: DeletionGuard) {}

  look(): Promise<HealthCheck> {
    const now = performance.now();
    if (this.kept === null || now - this.kept.atMs >= KEPT_MS) this.kept = { atMs: now, answer: this.ask() };
    return this.kept.answer;
  }

  private async ask(): Promise<HealthCheck> {
    try {
      await this.guard.assertSafe();
      return { status: 'ok' };
    } catch (error) {
      this.kept = null;
      return { status: 'warning', detail: error instanceof DomainError ? error.code : 'it cannot be told' };
    }
  }
}
