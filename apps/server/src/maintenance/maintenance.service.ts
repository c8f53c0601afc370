import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { MAINTENANCE_JOBS, type MaintenanceAnswer, type MaintenanceJob, type MaintenanceRun } from '#common';
import { nextDueMs, type Schedule } from '#engine';
import type { Actor } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DeletionGuard } from '../guards/deletion-guard';
import { DomainError } from '../http/domain-error';
import { Leases } from '../leases/leases.service';
import { MaintenanceJobs } from './maintenance-jobs';
import { MaintenanceRepository } from './maintenance.repository';

const LEASE_MS = 90_000;
const RENEW_MS = 20_000;
/** A clock that is ahead by less tells of nothing. */
const AHEAD_MS = 60_000;
const SHOWN_RUNS = 100;
/** How often a job without a schedule is taken to run. */
const UNSCHEDULED_STEP_MS = 86_400_000;

export interface MaintenanceStart {
  readonly trigger: 'schedule' | 'person';
  readonly isDryRun: boolean;
  /** Of scrub: every pack, not only what is due. */
  readonly isFull?: boolean;
  /** Who asked, for the audit; absent: the schedule. */
  readonly by?: Actor;
}

/** Runs each job on one server at a time, when it is due or a person asks, and keeps what became of it. */
@Injectable()
export class MaintenanceService implements OnModuleDestroy {
  private readonly logger = new Logger(MaintenanceService.name);
  private readonly stopping = new AbortController();
  private readonly running = new Map<MaintenanceJob, Promise<void>>();
  private readonly starting = new Set<MaintenanceJob>();
  /** Schedules count from the start of the server until a job has run by itself. */
  private startedAt: number | null = null;

  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly repository: MaintenanceRepository,
    private readonly jobs: MaintenanceJobs,
    private readonly leases: Leases,
    private readonly guard: DeletionGuard,
    private readonly audit: AuditService,
  ) {}

  /** Begins the job behind the call; `job-running` while it runs, here or on another server. Returns the run's number. */
  async start(job: MaintenanceJob, how: MaintenanceStart): Promise<number> {
    // The lease keeps other servers out, not a second call here: whoever holds it may take it again.
    if (this.running.has(job) || this.starting.has(job)) throw isRunning(job);
    this.starting.add(job);
    try {
      return await this.begin(job, how);
    } finally {
      this.starting.delete(job);
    }
  }

  /** As {@link start}, and waits until it has ended. */
  async runToEnd(job: MaintenanceJob, how: MaintenanceStart): Promise<MaintenanceRun> {
    const no = await this.start(job, how);
    await this.running.get(job);
    const run = await this.database.read((sql) => this.repository.find(sql, no));
    if (run === undefined) throw new Error(`maintenance run ${no} has gone`);
    return run;
  }

  /** Starts what is due. */
  async startDue(): Promise<void> {
    for (const job of MAINTENANCE_JOBS) {
      if (this.running.has(job) || !(await this.database.read((sql) => this.isDue(sql, job)))) continue;
      await this.start(job, { trigger: 'schedule', isDryRun: false }).catch((error: unknown) => {
        if (!(error instanceof DomainError && error.code === 'job-running')) throw error;
      });
    }
  }

  async describe(): Promise<MaintenanceAnswer> {
    const jobs = [];
    for (const job of MAINTENANCE_JOBS) {
      const nextMs = await this.database.read((sql) => this.nextOf(sql, job));
      jobs.push({ job, schedule: this.scheduleOf(job), nextMs });
    }
    const stops = await this.guard.state();
    return { stops, jobs, runs: await this.database.read((sql) => this.repository.history(sql, SHOWN_RUNS)) };
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort(new Error('the server stops'));
    await Promise.all(this.running.values());
  }

  private async begin(job: MaintenanceJob, how: MaintenanceStart): Promise<number> {
    const no = await this.database.write('maintenance.begin', async (tx) => {
      if (!(await this.leases.takeIn(tx, leaseOf(job), LEASE_MS))) return null;
      // Looked at again under the lease: another server may have run all of it since this one looked.
      if (how.trigger === 'schedule' && !(await this.isDue(tx, job))) {
        await this.leases.releaseIn(tx, leaseOf(job));
        return null;
      }
      const { trigger, isDryRun, isFull, by } = how;
      const begun = await this.repository.begin(tx, { job, now: await tx.now(), trigger, isDryRun });
      const details = { job, run: begun, isDryRun, isFull: isFull ?? false };
      if (by !== undefined) await this.audit.record(tx, by, { action: 'maintenance.start', details });
      return begun;
    });
    if (no === null) throw isRunning(job);
    this.running.set(
      job,
      this.run(job, no, how).finally(() => this.running.delete(job)),
    );
    return no;
  }

  private scheduleOf(job: MaintenanceJob): string | null {
    const { retentionSchedule, reclaimSchedule, scrubSchedule, spaceSchedule, catalogDumpSchedule } = this.settings;
    const schedules: Readonly<Record<MaintenanceJob, string | null>> = {
      retention: retentionSchedule,
      reclaim: reclaimSchedule,
      scrub: scrubSchedule,
      space: spaceSchedule,
      'catalog-dump': catalogDumpSchedule,
    };
    return schedules[job];
  }

  private async isDue(sql: Sql, job: MaintenanceJob): Promise<boolean> {
    const next = await this.nextOf(sql, job);
    return next !== null && next <= (await sql.now());
  }

  private async nextOf(sql: Sql, job: MaintenanceJob): Promise<number | null> {
    const cron = this.scheduleOf(job);
    if (cron === null) return null;
    const now = await sql.now();
    // It may have been read from a clock that was ahead, too.
    this.startedAt = Math.min(this.startedAt ?? now, now);
    const last = (await this.repository.lastScheduled(sql, job, now + AHEAD_MS)) ?? this.startedAt;
    const schedule: Schedule = { kind: 'cron', cron, timeZone: this.settings.timeZone };
    return nextDueMs(schedule, { lastMs: last, afterMs: last });
  }

  private async run(job: MaintenanceJob, no: number, { isDryRun, isFull }: MaintenanceStart): Promise<void> {
    const lost = new AbortController();
    const progress: Progress = { report: null };
    const timer = setInterval(() => {
      this.renew(job, no, progress).catch((error: unknown) => {
        lost.abort(error);
      });
    }, RENEW_MS);
    let outcome: 'succeeded' | 'failed' = 'failed';
    let report: object = {};
    try {
      const signal = AbortSignal.any([this.stopping.signal, lost.signal]);
      const onProgress = (soFar: object): void => {
        progress.report = soFar;
      };
      const stepMs = await this.stepOf(job);
      report = await this.jobs.run(job, { isDryRun, isFull: isFull ?? false, stepMs, signal, onProgress });
      outcome = 'succeeded';
    } catch (error) {
      report = { ...progress.report, error: error instanceof Error ? error.message : String(error) };
      this.logger.error(`The job ${job} failed: ${String(error)}`);
    } finally {
      clearInterval(timer);
    }
    await this.database
      .write('maintenance.end', async (tx) => {
        await this.repository.end(tx, no, { outcome, report, now: await tx.now() });
        await this.leases.releaseIn(tx, leaseOf(job));
      })
      .catch((error: unknown) => {
        this.logger.error(`The end of the job ${job} could not be written: ${String(error)}`);
      });
  }

  /** From now until the schedule's next time, ms. */
  private async stepOf(job: MaintenanceJob): Promise<number> {
    const cron = this.scheduleOf(job);
    if (cron === null) return UNSCHEDULED_STEP_MS;
    const now = await this.database.now();
    return nextDueMs({ kind: 'cron', cron, timeZone: this.settings.timeZone }, { lastMs: now, afterMs: now }) - now;
  }

  private async renew(job: MaintenanceJob, no: number, { report }: Progress): Promise<void> {
    await this.database.write('maintenance.begin', async (tx) => {
      const isHeld = await this.leases.takeIn(tx, leaseOf(job), LEASE_MS);
      if (!isHeld) throw new Error(`another server runs the job ${job}`);
      if (report !== null) await this.repository.note(tx, no, report);
    });
  }
}

/** What a job that runs has told last. */
interface Progress {
  report: object | null;
}

function leaseOf(job: MaintenanceJob): string {
  return `maintenance.${job}`;
}

function isRunning(job: MaintenanceJob): DomainError {
  return new DomainError('job-running', `The job ${job} is running already.`);
}
