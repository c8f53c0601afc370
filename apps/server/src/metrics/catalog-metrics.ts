import { Injectable } from '@nestjs/common';
import { DomainError } from '../http/domain-error';
import type { WatchedClient } from '../fleet/fleet.service';
import { ReadinessService } from '../health/readiness.service';
import { CatalogFigures, type Figures } from './figures';
import type { JobFigures, PackFigures } from './figures.repository';
import { catalogGauges } from './catalog-gauges';
import { clientSeries } from './client-series';
import { Metrics } from './metrics';

const RUN_STATES = [
  'queued',
  'running',
  'committing',
  'undoing',
  'succeeded',
  'partial',
  'failed',
  'cancelled',
  'missed',
];
const CLIENT_STATES = ['online', 'late', 'offline', 'never', 'revoked'];
const PACK_STATES = ['uploading', 'live', 'dead', 'deleted'];

/**
 * Gauges that are set from the catalog and the checks at each scrape. Every server shows the same: `max`, not `sum`, over servers. The
 * values of finished runs go down when a client's history is deleted, so they are gauges too.
 */
@Injectable()
export class CatalogMetrics {
  private readonly gauges: ReturnType<typeof catalogGauges>;
  private ofClients = '';

  constructor(
    metrics: Metrics,
    private readonly figures: CatalogFigures,
    private readonly readiness: ReadinessService,
  ) {
    this.gauges = catalogGauges(metrics.registry);
  }

  /** Series of a client each, as they were when the gauges were set last; lines beside those of the registry. */
  get clientLines(): string {
    return this.ofClients;
  }

  /** Sets all gauges. A catalog that cannot be read is told by a metric: a scrape that fails would tell nothing at all. */
  async refresh(): Promise<void> {
    await this.refreshChecks();
    try {
      const figures = await this.figures.get();
      this.ofClients = await clientSeries(figures.clients);
      this.set(figures);
      this.gauges.answers.set(1);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.gauges.answers.set(0);
    }
  }

  private async refreshChecks(): Promise<void> {
    const checks = await this.readiness.check();
    for (const [name, { status }] of Object.entries(checks))
      this.gauges.checks.set({ check: name }, status === 'ok' ? 0 : 1);
    for (const { folder, freeBytes } of await this.readiness.space()) this.gauges.disk.set({ folder }, freeBytes);
  }

  private set({ runs, packs, damagedChunks, jobs, clients }: Figures): void {
    for (const state of RUN_STATES) this.gauges.runs.set({ state }, runs.find((row) => row.state === state)?.runs ?? 0);
    const sum = (of: (row: (typeof runs)[number]) => number): number => runs.reduce((total, row) => total + of(row), 0);
    const logical = sum((row) => (['succeeded', 'partial'].includes(row.state) ? row.logicalBytes : 0));
    this.gauges.chunks.set(sum((row) => row.newChunks));
    this.gauges.read.set(sum((row) => row.readBytes));
    this.gauges.sent.set(sum((row) => row.storedBytes));
    this.gauges.logical.set(logical);
    this.setPacks(packs, logical);
    this.gauges.damaged.set(damagedChunks);
    this.setClients(clients);
    this.setJobs(jobs);
  }

  private setPacks(packs: readonly PackFigures[], logicalBytes: number): void {
    for (const state of PACK_STATES) {
      const row = packs.find((found) => found.state === state);
      this.gauges.packs.set({ state }, row?.packs ?? 0);
      this.gauges.packBytes.set({ state }, row?.bytes ?? 0);
    }
    const live = packs.find(({ state }) => state === 'live');
    this.gauges.faulty.set(live?.faulty ?? 0);
    this.gauges.ratio.set(live === undefined || live.bytes === 0 ? 0 : logicalBytes / live.bytes);
  }

  private setClients(clients: readonly WatchedClient[]): void {
    for (const status of CLIENT_STATES) {
      this.gauges.clients.set({ status }, clients.filter((client) => client.status === status).length);
    }
  }

  private setJobs(jobs: readonly JobFigures[]): void {
    this.gauges.jobFigure.reset();
    for (const { job, outcome, startedMs, endedMs, lastSuccessMs, report } of jobs) {
      this.gauges.jobSuccess.set({ task: job }, (lastSuccessMs ?? 0) / 1_000);
      this.gauges.jobFailed.set({ task: job }, outcome === 'succeeded' ? 0 : 1);
      this.gauges.jobSeconds.set({ task: job }, (endedMs - startedMs) / 1_000);
      for (const [figure, value] of Object.entries(JSON.parse(report ?? '{}') as object)) {
        if (typeof value === 'number') this.gauges.jobFigure.set({ task: job, figure }, value);
      }
    }
  }
}
