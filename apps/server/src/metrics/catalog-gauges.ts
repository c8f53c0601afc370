import { Gauge, type Registry } from 'prom-client';

/** What {@link CatalogMetrics} sets. */
export function catalogGauges(registry: Registry) {
  const gauge = <T extends string>(name: string, help: string, labelNames: readonly T[] = []): Gauge<T> =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  return {
    runs: gauge('holdfast_runs', 'Runs in the catalog, by state', ['state']),
    chunks: gauge('holdfast_run_new_chunks', 'Chunks that all runs brought and nobody had before'),
    read: gauge('holdfast_run_read_bytes', 'Bytes that all runs read on their machines'),
    sent: gauge('holdfast_run_stored_bytes', 'Bytes that all runs added to the storage'),
    logical: gauge('holdfast_snapshot_bytes', 'Bytes that all snapshots show'),
    packs: gauge('holdfast_packs', 'Packs, by state', ['state']),
    packBytes: gauge('holdfast_pack_bytes', 'Bytes of packs, by state', ['state']),
    damaged: gauge('holdfast_damaged_chunks', 'Chunks whose stored bytes are wrong or gone, whoever found that'),
    faulty: gauge('holdfast_faulty_packs', 'Live packs with a fault that their last reading found'),
    ratio: gauge('holdfast_dedup_ratio', 'Bytes that all snapshots show, per byte in live packs'),
    clients: gauge('holdfast_clients', 'Clients, by status', ['status']),
    jobSuccess: gauge(
      'holdfast_job_last_success_timestamp_seconds',
      'End of the last run of a maintenance job that succeeded; 0: none did',
      ['task'],
    ),
    jobFailed: gauge('holdfast_job_failed', '1: the last run of the job did not succeed', ['task']),
    jobSeconds: gauge('holdfast_job_duration_seconds', 'Time of its last run', ['task']),
    jobFigure: gauge('holdfast_job_figure', 'Numbers of its last report', ['task', 'figure']),
    checks: gauge('holdfast_check_failed', '1: a check of /health/ready fails or warns', ['check']),
    disk: gauge('holdfast_disk_free_bytes', 'Free bytes on the disk of a folder', ['folder']),
    answers: gauge('holdfast_catalog_readable', '1: the figures of the catalog could be read'),
  };
}
