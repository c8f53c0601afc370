import { isDeepStrictEqual } from 'node:util';
import type { Schedule } from '#engine';
import type { PendingRun, ScheduleMemory, ServiceState, TaskMemory } from '../state/service-state';

/** Clocks that are right differ by less. */
const AHEAD_MS = 60_000;

/** The past of the tasks, on disk before anybody relies on it. */
export class TaskMemories {
  private memory: ScheduleMemory;

  constructor(
    private readonly state: ServiceState,
    clientId: string,
  ) {
    const saved = state.schedule.load();
    this.memory = saved?.clientId === clientId ? saved : { clientId, ownTaskId: null, ownSchedule: null, tasks: {} };
  }

  get ownTaskId(): string | null {
    return this.memory.ownTaskId;
  }

  of(key: string): TaskMemory | null {
    return this.memory.tasks[key] ?? null;
  }

  pending(): [string, PendingRun][] {
    return Object.entries(this.memory.tasks).flatMap(([key, { pending }]) =>
      pending === null ? [] : [[key, pending]],
    );
  }

  rememberOwnTask(ownTaskId: string): void {
    if (this.memory.ownTaskId !== ownTaskId) this.save({ ownTaskId });
  }

  /** Since when the own task's schedule is as it is: from now on when it is another than before. */
  ownScheduleSince(schedule: Schedule, nowMs: number): number {
    const known = this.memory.ownSchedule;
    if (known !== null && isDeepStrictEqual(known.schedule, schedule)) return known.sinceMs;
    // The first schedule counts from the last run, if there was one; a changed one from now.
    const sinceMs = known === null ? 0 : nowMs;
    this.save({ ownSchedule: { schedule, sinceMs } });
    return sinceMs;
  }

  /** Since when a schedule of `sinceMs` counts: bringBack may have set another time. */
  countsFrom(key: string, sinceMs: number): number {
    const broughtBack = this.of(key)?.broughtBack;
    return broughtBack?.sinceMs === sinceMs ? broughtBack.countsFromMs : sinceMs;
  }

  /**
   * A last run, or a schedule's beginning, that lies ahead is of a clock that was wrong: it counts as now. Kept, for what
   * counts as now at every look is never due.
   */
  bringBack(key: string, sinceMs: number, nowMs: number): void {
    const beganMs = this.of(key)?.beganMs ?? null;
    if (beganMs !== null && beganMs > nowMs + AHEAD_MS) this.remember(key, { beganMs: nowMs });
    if (this.countsFrom(key, sinceMs) > nowMs + AHEAD_MS) {
      this.remember(key, { broughtBack: { sinceMs, countsFromMs: nowMs } });
    }
  }

  remember(key: string, change: Partial<TaskMemory>): void {
    const before = this.memory.tasks[key] ?? { beganMs: null, pending: null };
    this.save({ tasks: { ...this.memory.tasks, [key]: { ...before, ...change } } });
  }

  /** Its run began. Throws when the disk cannot hold that: it counts here all the same, or the task would be due again at once. */
  began(key: string, nowMs: number): void {
    this.note(key, { beganMs: nowMs });
  }

  /** Its run could not begin, and is given up: it is due again when its schedule says so. Throws as `began` does. */
  gaveUp(key: string, nowMs: number): void {
    this.note(key, { beganMs: nowMs, pending: null });
  }

  /** What was pending has ended. Throws when the disk cannot hold that yet: it counts here, and is kept with the next change. */
  endPending(key: string): void {
    if (this.of(key) !== null) this.note(key, { pending: null });
  }

  /** Tasks that are no more. */
  forgetAllBut(keys: readonly string[]): void {
    const kept = Object.entries(this.memory.tasks).filter(([key]) => keys.includes(key));
    if (kept.length < Object.keys(this.memory.tasks).length) this.save({ tasks: Object.fromEntries(kept) });
  }

  private note(key: string, change: Partial<TaskMemory>): void {
    const before = this.of(key) ?? { beganMs: null, pending: null };
    this.memory = { ...this.memory, tasks: { ...this.memory.tasks, [key]: { ...before, ...change } } };
    this.state.schedule.save(this.memory);
  }

  private save(change: Partial<ScheduleMemory>): void {
    const memory = { ...this.memory, ...change };
    this.state.schedule.save(memory);
    // After the disk: a run that is pending here alone would never become due again.
    this.memory = memory;
  }
}
