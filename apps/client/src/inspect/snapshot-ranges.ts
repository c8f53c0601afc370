import { type SnapshotSummary } from '#common';

/** The snapshots of one task that show a version. */
export interface SnapshotRange {
  readonly first: SnapshotSummary;
  /** The newest: what to restore from. */
  readonly newest: SnapshotSummary;
  readonly count: number;
  /** When the version was first missing, ms; null while it is current. */
  readonly endedMs: number | null;
}

/** One task's snapshots, oldest first, and which of them show a version. */
export class TaskSnapshots {
  readonly taskId: string;
  readonly name: string;

  private constructor(private readonly snapshots: readonly [SnapshotSummary, ...SnapshotSummary[]]) {
    this.taskId = snapshots[0].taskId;
    this.name = snapshots[0].task;
  }

  /** By task, in the order of their names. */
  static of(snapshots: readonly SnapshotSummary[]): TaskSnapshots[] {
    const byTask = new Map<string, [SnapshotSummary, ...SnapshotSummary[]]>();
    for (const snapshot of snapshots) {
      const others = byTask.get(snapshot.taskId);
      if (others === undefined) byTask.set(snapshot.taskId, [snapshot]);
      else others.push(snapshot);
    }
    for (const ofTask of byTask.values()) ofTask.sort((a, b) => a.number - b.number);
    return [...byTask.values()]
      .map((ofTask) => new TaskSnapshots(ofTask))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  get newest(): SnapshotSummary {
    return this.snapshots.at(-1) ?? this.snapshots[0];
  }

  get count(): number {
    return this.snapshots.length;
  }

  /** Null when none of the snapshots that were listed shows it: a run may have ended since. */
  rangeOf({ firstRun, lastRun }: { firstRun: number; lastRun: number | null }): SnapshotRange | null {
    const from = this.position(firstRun);
    const to = lastRun === null ? this.snapshots.length : this.position(lastRun);
    const first = this.snapshots[from];
    const newest = this.snapshots[to - 1];
    if (first === undefined || newest === undefined || to <= from) return null;
    return { first, newest, count: to - from, endedMs: this.snapshots[to]?.stampMs ?? null };
  }

  /** Of the first snapshot whose run has this number or a higher one. */
  private position(number: number): number {
    let low = 0;
    let high = this.snapshots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.snapshots[middle]?.number ?? Infinity) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
