import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { HealthCheck, ReadyAnswer } from '#common';
import { Clock } from '../config/clock';
import { Database } from '../database/database';
import { migrationLevel } from '../database/migration-level';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import { DeletionState } from './deletion-state';
import { type DiskSpace, Disks, judgeDisks } from './disks';
import { HealthRepository } from './health.repository';
import { CERTIFICATE_WARN_DAYS, ServedCertificate } from '../tls/served-certificate';

/** Anybody may ask: so long an answer stands for all who do. */
const KEPT_MS = 2_000;
const CHECK_LIMIT_MS = 5_000;
const DAY_MS = 86_400_000;

type Checks = ReadyAnswer['checks'];

/** Whether this server can do its work. */
@Injectable()
export class ReadinessService {
  private kept: { readonly atMs: number; readonly answer: Promise<Checks> } | null = null;

  constructor(
    private readonly database: Database,
    private readonly identity: RepositoryIdentity,
    private readonly repository: HealthRepository,
    private readonly disks: Disks,
    private readonly deletion: DeletionState,
    private readonly certificate: ServedCertificate,
    private readonly clock: Clock,
  ) {}

  async check(): Promise<Checks> {
    const now = performance.now();
    if (this.kept === null || now - this.kept.atMs >= KEPT_MS) this.kept = { atMs: now, answer: this.look() };
    return this.kept.answer;
  }

  /** Throws `unavailable` with the checks in its details when one of them fails. */
  async get(): Promise<ReadyAnswer> {
    const checks = await this.check();
    const failed = Object.entries(checks).flatMap(([name, { status }]) => (status === 'failed' ? [name] : []));
    if (failed.length > 0) {
      throw new DomainError('unavailable', `The server is not ready: ${failed.join(', ')}.`, { details: { checks } });
    }
    const isWarning = Object.values(checks).some(({ status }) => status === 'warning');
    return { status: isWarning ? 'warning' : 'ok', checks };
  }

  /** Free bytes by folder; empty when that cannot be told. */
  space(): Promise<DiskSpace[]> {
    return this.disks.space().catch(() => []);
  }

  private async look(): Promise<Checks> {
    const [database, migrations, storage, disk, deletion, dump, damage] = await Promise.all([
      checked(() => this.database.read((sql) => this.repository.probe(sql)).then(() => OK)),
      checked(() => this.lookAtMigrations()),
      checked(() => this.identity.verify().then(() => OK)),
      checked(() => this.lookAtDisks()),
      checked(() => this.deletion.look()),
      checked(() => this.lookAtDump()),
      checked(() => this.lookAtDamage()),
    ]);
    // Backups and restores go on while nothing is deleted or dumped and some of it is damaged, and while that cannot be told.
    const lesser = (check: HealthCheck): HealthCheck => ({ ...check, status: atMostWarning(check) });
    const certificate = this.lookAtCertificate();
    return {
      database,
      migrations,
      storage,
      disk,
      deletion: lesser(deletion),
      dump: lesser(dump),
      damage: lesser(damage),
      certificate,
    };
  }

  /** What is served is served until its end and after: agents refuse it then, but who pins it. */
  private lookAtCertificate(): HealthCheck {
    const { validToMs } = this.certificate;
    if (validToMs === null) return OK;
    const days = Math.floor((validToMs - this.clock.now()) / DAY_MS);
    if (days >= CERTIFICATE_WARN_DAYS) return OK;
    return {
      status: 'warning',
      detail: days < 0 ? 'the certificate has ended' : `the certificate ends in ${days} days`,
    };
  }

  private async lookAtDump(): Promise<HealthCheck> {
    const outcome = await this.database.read((sql) => this.repository.lastDump(sql));
    if (outcome === undefined || outcome === 'succeeded') return OK;
    return { status: 'warning', detail: 'the last dump of the catalog did not succeed' };
  }

  private async lookAtDamage(): Promise<HealthCheck> {
    const hasDamage = await this.database.read((sql) => this.repository.hasDamage(sql));
    return hasDamage ? { status: 'warning', detail: 'stored bytes are damaged or missing' } : OK;
  }

  private async lookAtMigrations(): Promise<HealthCheck> {
    const level = await this.database.read(migrationLevel);
    if (level === 'older') return { status: 'failed', detail: 'migrations are missing' };
    if (level === 'newer') {
      return { status: 'failed', detail: 'a newer version has migrated the database: upgrade this server' };
    }
    return OK;
  }

  private async lookAtDisks(): Promise<HealthCheck> {
    return judgeDisks(await this.disks.space(), this.disks.uploadBytes);
  }
}

const OK: HealthCheck = { status: 'ok' };

function atMostWarning({ status }: HealthCheck): HealthCheck['status'] {
  return status === 'failed' ? 'warning' : status;
}

/** Failures become words that tell strangers nothing; the log has the rest. */
async function checked(look: () => Promise<HealthCheck>): Promise<HealthCheck> {
  const limit = new AbortController();
  const tooLong = sleep(CHECK_LIMIT_MS, { status: 'failed', detail: 'it does not answer' } as const, {
    signal: limit.signal,
    ref: false,
  });
  tooLong.catch(() => undefined);
  try {
    return await Promise.race([look(), tooLong]);
  } catch (error) {
    return { status: 'failed', detail: error instanceof DomainError ? error.code : 'it cannot be used' };
  } finally {
    limit.abort();
  }
}
