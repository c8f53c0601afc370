import fc from 'fast-check';
import type { RetentionPath, RetentionVersion } from '../src/retention-decide';
import { type EffectivePolicy, NO_POLICY, resolvePolicy } from '../src/retention-policy';
import type { RetentionSnapshot } from '../src/retention-snapshots';

/** A task's history as retention sees it. */
export interface TestHistory {
  readonly paths: readonly RetentionPath[];
  readonly snapshots: readonly RetentionSnapshot[];
  readonly nowMs: number;
}

export const DAY = 86_400_000;
const HOUR = 3_600_000;

/** What a run does to one path of the small tree below. */
type Step = 'write' | 'chmod' | 'delete' | 'deselect' | 'directory';
interface Run {
  readonly steps: readonly { readonly pathNo: number; readonly step: Step }[];
  readonly end: 'succeeded' | 'partial' | 'aborted';
  readonly hoursLater: number;
}

/** 1 is the root; 2, 3 and 5 may be directories, what lies in them has them as parents. */
const PARENTS: Readonly<Record<number, number>> = { 1: 0, 2: 1, 3: 2, 4: 1, 5: 3, 6: 3, 7: 5, 8: 2 };
const PATHS = Object.keys(PARENTS).map(Number);

const aRun: fc.Arbitrary<Run> = fc.record({
  steps: fc.array(
    fc.record({
      pathNo: fc.constantFrom(...PATHS.slice(1)),
      step: fc.constantFrom<Step[]>('write', 'write', 'write', 'chmod', 'delete', 'deselect', 'directory', 'directory'),
    }),
    { maxLength: 8 },
  ),
  end: fc.constantFrom('succeeded', 'succeeded', 'succeeded', 'partial', 'aborted'),
  hoursLater: fc.integer({ min: 1, max: 40 }),
});

interface State {
  readonly versions: Map<number, RetentionVersion[]>;
}

/** Random histories of a small tree, with runs that were undone, and a last one that goes on. */
export const aHistory: fc.Arbitrary<TestHistory> = fc
  .record({ runs: fc.array(aRun, { minLength: 1, maxLength: 12 }), isLastActive: fc.boolean(), quietDays: fc.nat(6) })
  .map(({ runs, isLastActive, quietDays }) => historyOf(runs, isLastActive, quietDays));

function historyOf(runs: readonly Run[], isLastActive: boolean, quietDays: number): TestHistory {
  const snapshots: RetentionSnapshot[] = [];
  let state: State = { versions: new Map() };
  let nowMs = Date.UTC(2026, 0, 1);
  for (const [at, run] of runs.entries()) {
    const number = at + 1;
    nowMs += run.hoursLater * HOUR;
    const isActive = isLastActive && number === runs.length;
    if (run.end === 'aborted' && !isActive) continue;
    state = apply(state, number, run.steps);
    if (!isActive && run.end !== 'aborted')
      snapshots.push({ number, stampMs: nowMs, countsAtMs: nowMs, outcome: run.end });
  }
  const paths = PATHS.map((pathNo) => ({
    pathNo,
    parentNo: PARENTS[pathNo] ?? 0,
    versions: state.versions.get(pathNo) ?? [],
  }));
  return { paths: paths.filter(({ versions }) => versions.length > 0), snapshots, nowMs: nowMs + quietDays * DAY };
}

function apply(before: State, run: number, steps: Run['steps']): State {
  const versions = new Map([...before.versions].map(([no, all]) => [no, [...all]]));
  const touched = new Set<number>();
  const open = (no: number): RetentionVersion | undefined => versions.get(no)?.find(({ lastRun }) => lastRun === null);
  const close = (no: number, endReason: RetentionVersion['endReason']): void => {
    const all = versions.get(no) ?? [];
    versions.set(
      no,
      all.map((version) => (version.lastRun === null ? { ...version, lastRun: run, endReason } : version)),
    );
    if (endReason === null) return;
    for (const child of PATHS) if (PARENTS[child] === no && open(child) !== undefined) close(child, endReason);
  };
  const put = (no: number, kind: 'file' | 'directory' | 'chmod'): void => {
    const old = open(no);
    const isDirectory = kind === 'directory' || (kind === 'chmod' && old?.isDirectory === true);
    const isSameContent = old !== undefined && old.isDirectory === isDirectory && (kind === 'chmod' || isDirectory);
    if (old !== undefined) close(no, null);
    if (old?.isDirectory === true && !isDirectory) {
      for (const child of PATHS) if (PARENTS[child] === no && open(child) !== undefined) close(child, 'deleted');
    }
    versions.set(no, [
      ...(versions.get(no) ?? []),
      {
        firstRun: run,
        lastRun: null,
        isDirectory,
        contentSince: isSameContent ? old.contentSince : run,
        existsSince: old?.existsSince ?? run,
        endReason: null,
      },
    ]);
  };
  if (open(1) === undefined) put(1, 'directory');
  touched.add(1);
  for (const { pathNo, step } of steps) {
    const parentNo = PARENTS[pathNo] ?? 0;
    if (touched.has(pathNo) || PATHS.some((no) => touched.has(no) && no !== 1 && PARENTS[no] === pathNo)) continue;
    if (open(parentNo)?.isDirectory !== true) continue;
    const isThere = open(pathNo) !== undefined;
    // A path occurs once per run, and what a run closes below a directory is touched as well.
    if (isThere && open(pathNo)?.isDirectory === true && step !== 'chmod' && step !== 'directory') {
      if (below(pathNo).some((no) => touched.has(no))) continue;
      for (const no of below(pathNo)) touched.add(no);
    }
    if (step === 'delete' || step === 'deselect') {
      if (isThere) close(pathNo, step === 'delete' ? 'deleted' : 'deselected');
      else continue;
    } else if (step === 'chmod') {
      if (isThere) put(pathNo, 'chmod');
      else continue;
    } else put(pathNo, step === 'directory' ? 'directory' : 'file');
    touched.add(pathNo);
  }
  return { versions };
}

function below(directoryNo: number): number[] {
  return PATHS.filter((no) => PARENTS[no] === directoryNo).flatMap((no) => [no, ...below(no)]);
}

const limit = fc.option(fc.integer({ min: 1, max: 4 }), { nil: null });
const count = fc.option(fc.nat(3), { nil: null });

export const aPolicy: fc.Arbitrary<EffectivePolicy> = fc
  .record({
    kind: fc.constantFrom('versions' as const, 'snapshots' as const),
    versions: limit,
    days: limit,
    deletedDays: limit,
    keepLast: count,
    keepHourly: count,
    keepDaily: count,
    keepWeekly: count,
    keepMonthly: count,
    keepYearly: count,
  })
  .map((policy) => resolvePolicy([{ ...NO_POLICY, ...policy }]));
