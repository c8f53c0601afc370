import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ConnectionLimit } from '../http/refused-connections';

/** From what the database answers at once to what an upload of a pack over a slow line takes, in seconds. */
const REQUEST_BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];
const STORAGE_OPERATIONS = ['put', 'get', 'stream', 'delete', 'list', 'stat'] as const;
/** What a storage that fails answers; `internal`: what no code says. */
const STORAGE_FAILURES = ['object-missing', 'corrupt', 'storage-unavailable', 'storage-full', 'internal'];
const STORAGE_BUCKETS = [0.002, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export type StorageOperation = (typeof STORAGE_OPERATIONS)[number];

/**
 * What this process counts, in a registry of its own. Prometheus' rules for names: base units, `_total` for what only rises.
 * docs/operations/monitoring.md says what each means.
 */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly requests = new Histogram({
    name: 'holdfast_http_request_duration_seconds',
    help: 'Time from the head of a request to the end of its answer, by route',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: REQUEST_BUCKETS,
    registers: [this.registry],
  });

  readonly requestsInFlight = new Gauge({
    name: 'holdfast_http_requests_in_flight',
    help: 'Requests that have begun and not ended; agents that wait for commands among them',
    registers: [this.registry],
  });

  readonly receivedBytes = new Counter({
    name: 'holdfast_http_received_bytes_total',
    help: 'Bytes that came in over HTTP',
    registers: [this.registry],
  });

  readonly sentBytes = new Counter({
    name: 'holdfast_http_sent_bytes_total',
    help: 'Bytes that went out over HTTP',
    registers: [this.registry],
  });

  readonly storageCalls = new Histogram({
    name: 'holdfast_storage_call_duration_seconds',
    help: 'Time of a call to the storage, with its retries',
    labelNames: ['operation'] as const,
    buckets: STORAGE_BUCKETS,
    registers: [this.registry],
  });

  readonly storageErrors = new Counter({
    name: 'holdfast_storage_errors_total',
    help: 'Calls to the storage that failed, by the code of the problem',
    labelNames: ['operation', 'code'] as const,
    registers: [this.registry],
  });

  readonly storedBytes = new Counter({
    name: 'holdfast_storage_written_bytes_total',
    help: 'Bytes that this server put into the storage',
    registers: [this.registry],
  });

  readonly readBytes = new Counter({
    name: 'holdfast_storage_read_bytes_total',
    help: 'Bytes that this server got from the storage',
    registers: [this.registry],
  });

  readonly refusedConnections = new Counter({
    name: 'holdfast_http_connections_refused_total',
    help: 'Connections that were closed as they came, for there were too many: by the setting that says how many there may be',
    labelNames: ['limit'] as const,
    registers: [this.registry],
  });

  constructor() {
    // From the start, or the first ones would be no increase: a series that begins at 1 has not risen.
    for (const limit of ['MAX_CONNECTIONS', 'MAX_CONNECTIONS_PER_ADDRESS'] satisfies ConnectionLimit[])
      this.refusedConnections.inc({ limit }, 0);
    for (const operation of STORAGE_OPERATIONS)
      for (const code of STORAGE_FAILURES) this.storageErrors.inc({ operation, code }, 0);
    // The process itself: memory, CPU, garbage collection, and how long the event loop was held.
    collectDefaultMetrics({ register: this.registry });
  }
}
