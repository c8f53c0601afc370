export interface HealthCheck {
  status: 'ok' | 'warning' | 'failed';
  /** Why not `ok`: a code or a few words, nothing that strangers must not read. */
  detail?: string;
}

/** Answer of `GET /health/ready`. When a check fails it is a problem `unavailable` with `details.checks`. */
export interface ReadyAnswer {
  status: 'ok' | 'warning';
  checks: Record<
    'database' | 'migrations' | 'storage' | 'disk' | 'deletion' | 'dump' | 'damage' | 'certificate',
    HealthCheck
  >;
}
