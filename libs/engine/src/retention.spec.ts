import fc from 'fast-check';
import { retentionBounds } from './retention-bounds';
import {
  joinDirectories,
  RetentionDecider,
  type RetentionDecision,
  type RetentionPath,
  type RetentionVersion,
} from './retention-decide';
import {
  type EffectivePolicy,
  keepsEverything,
  NO_POLICY,
  resolvePolicy,
  type RetentionPolicy,
} from './retention-policy';
import { keptSnapshots, type RetentionSnapshot } from './retention-snapshots';
import { aHistory, aPolicy, DAY, type TestHistory } from '../golden/retention-histories';

const policy = (parts: Partial<RetentionPolicy>): EffectivePolicy => resolvePolicy([{ ...NO_POLICY, ...parts }]);

function decideAll(
  history: TestHistory,
  effective: EffectivePolicy,
  moment: { nowMs?: number; protectDays?: number; pinnedRuns?: number[]; timeZone?: string } = {},
): RetentionDecision[] {
  const bounds = retentionBounds(effective, history.snapshots, {
    nowMs: history.nowMs,
    protectDays: 0,
    timeZone: 'UTC',
    pinnedRuns: [],
    ...moment,
  });
  const decider = new RetentionDecider(bounds);
  return [...history.paths].sort((a, b) => b.pathNo - a.pathNo).flatMap((path) => decider.decide(path));
}

const nameOf = ({ pathNo, version }: RetentionDecision): string => `${pathNo}@${version.firstRun}`;

function removed(decisions: readonly RetentionDecision[]): string[] {
  return decisions
    .filter(({ action }) => action === 'remove')
    .map((decision) => `${nameOf(decision)} ${decision.reason}`)
    .sort();
}

/** What is left: removed versions gone, intervals of removed directories joined to the next. */
function afterRemoval(history: TestHistory, decisions: readonly RetentionDecision[]): TestHistory {
  const gone = new Set(decisions.filter(({ action }) => action === 'remove').map(nameOf));
  const paths = history.paths.map((path) => {
    const versions = path.versions.map((version) => ({
      ...version,
      isRemoved: gone.has(`${path.pathNo}@${version.firstRun}`),
    }));
    const joins = joinDirectories(versions);
    const left = versions
      .filter(({ isRemoved }) => !isRemoved)
      .map(({ isRemoved: _, ...version }) => {
        const taken = [...joins].filter(([, heir]) => heir === version.firstRun).map(([from]) => from);
        return { ...version, firstRun: Math.min(version.firstRun, ...taken) };
      });
    return { ...path, versions: left };
  });
  return { ...history, paths };
}

/** A file with one version a day, replaced each time, content after content. */
function daily(count: number): TestHistory {
  const versions = Array.from({ length: count }, (_, at): RetentionVersion => {
    const run = at + 1;
    const lastRun = run === count ? null : run + 1;
    return { firstRun: run, lastRun, isDirectory: false, contentSince: run, existsSince: 1, endReason: null };
  });
  const snapshots = versions.map(({ firstRun }): RetentionSnapshot => ({
    number: firstRun,
    stampMs: firstRun * DAY,
    countsAtMs: firstRun * DAY,
    outcome: 'succeeded',
  }));
  return { paths: [{ pathNo: 1, parentNo: 0, versions }], snapshots, nowMs: count * DAY + 1 };
}

describe('a retention policy', () => {
  it('comes from user, client and task, the narrowest that says a field', () => {
    const user = { ...NO_POLICY, versions: 5, days: 30, deletedDays: 180 };
    const client = { ...NO_POLICY, versions: 9 };
    const task = { ...NO_POLICY, days: 7 };
    expect(resolvePolicy([user, client, task])).toMatchObject({
      kind: 'versions',
      versions: 9,
      days: 7,
      deletedDays: 180,
    });
  });

  it('takes fields from levels of its own kind only', () => {
    const user = { ...NO_POLICY, versions: 5, deletedDays: 30 };
    const client = { ...NO_POLICY, kind: 'snapshots' as const, keepDaily: 7 };
    const task = { ...NO_POLICY, keepLast: 3 };
    expect(resolvePolicy([user, client, task])).toMatchObject({
      kind: 'snapshots',
      versions: null,
      deletedDays: null,
      keepDaily: 7,
      keepLast: 3,
    });
    const back = { ...NO_POLICY, kind: 'versions' as const, days: 10 };
    expect(resolvePolicy([user, client, back])).toMatchObject({
      kind: 'versions',
      versions: 5,
      days: 10,
      keepDaily: null,
    });
  });

  it('lifts a limit with 0, and keeps everything without one', () => {
    const user = { ...NO_POLICY, versions: 5, days: 30, deletedDays: 180 };
    const task = { ...NO_POLICY, versions: 0, days: 0, deletedDays: 0 };
    expect(keepsEverything(resolvePolicy([user, task]))).toBe(true);
    expect(keepsEverything(policy({ kind: 'snapshots', keepDaily: 0, deletedDays: 1 }))).toBe(true);
    expect(removed(decideAll(daily(50), policy({})))).toEqual([]);
  });
});

describe('retention of kind versions', () => {
  it.each<[string, Partial<RetentionPolicy>, string[]]>([
    ['keeps the newest contents', { versions: 5 }, ['1@1 versions', '1@2 versions', '1@3 versions', '1@4 versions']],
    ['keeps what was current within the days', { days: 5 }, ['1@1 days', '1@2 days', '1@3 days']],
    [
      'keeps what satisfies both limits, the number being the narrower',
      { versions: 3, days: 5 },
      ['1@1 versions', '1@2 versions', '1@3 versions', '1@4 versions', '1@5 versions', '1@6 versions'],
    ],
    [
      'keeps what satisfies both limits, the days being the narrower',
      { versions: 8, days: 2 },
      ['1@1 versions', '1@2 days', '1@3 days', '1@4 days', '1@5 days', '1@6 days'],
    ],
    ['removes nothing of a path that exists for its deletion days', { deletedDays: 1 }, []],
  ])('%s', (_, parts, expected) => {
    expect(removed(decideAll(daily(9), policy(parts)))).toEqual(expected);
  });

  it('counts no chmod as a content', () => {
    const version = (firstRun: number, contentSince: number, lastRun: number | null): RetentionVersion => ({
      firstRun,
      lastRun,
      isDirectory: false,
      contentSince,
      existsSince: 1,
      endReason: null,
    });
    const versions = [version(1, 1, 2), version(2, 2, 3), version(3, 2, 4), version(4, 2, 5), version(5, 2, null)];
    const history = { ...daily(5), paths: [{ pathNo: 1, parentNo: 0, versions }] };
    expect(removed(decideAll(history, policy({ versions: 2 })))).toEqual([]);
    expect(removed(decideAll(history, policy({ versions: 1 })))).toEqual(['1@1 versions']);
  });

  it('keeps a version that was replaced only yesterday, however old it is', () => {
    const old: RetentionVersion = {
      firstRun: 1,
      lastRun: 9,
      isDirectory: false,
      contentSince: 1,
      existsSince: 1,
      endReason: null,
    };
    const versions = [old, { ...old, firstRun: 9, lastRun: null, contentSince: 9 }];
    const history = { ...daily(9), paths: [{ pathNo: 1, parentNo: 0, versions }] };
    expect(removed(decideAll(history, policy({ days: 2 })))).toEqual([]);
  });

  it('takes a deleted path when its time is over, and never one that was deselected', () => {
    const { snapshots, nowMs } = daily(9);
    const ended = (endReason: 'deleted' | 'deselected'): RetentionVersion[] => [
      { firstRun: 1, lastRun: 2, isDirectory: false, contentSince: 1, existsSince: 1, endReason: null },
      { firstRun: 2, lastRun: 4, isDirectory: false, contentSince: 2, existsSince: 1, endReason },
    ];
    const history = {
      snapshots,
      nowMs,
      paths: [
        { pathNo: 2, parentNo: 1, versions: ended('deselected') },
        { pathNo: 3, parentNo: 1, versions: ended('deleted') },
      ],
    };
    expect(removed(decideAll(history, policy({ deletedDays: 5 })))).toEqual(['3@1 deleted', '3@2 deleted']);
    expect(removed(decideAll(history, policy({ deletedDays: 6 })))).toEqual([]);
    // A pinned older version would else be left as a newest one that nothing takes any more.
    expect(removed(decideAll(history, policy({ deletedDays: 5 }), { pinnedRuns: [1] }))).toEqual([]);
  });

  it('ignores what a run after the head wrote and closed', () => {
    const { snapshots, nowMs, paths } = daily(9);
    const [path] = paths;
    const versions = path?.versions.map((version) =>
      version.lastRun === null ? { ...version, lastRun: 10 } : version,
    );
    const unborn = {
      firstRun: 10,
      lastRun: null,
      isDirectory: false,
      contentSince: 10,
      existsSince: 1,
      endReason: null,
    };
    const history = { snapshots, nowMs, paths: [{ pathNo: 1, parentNo: 0, versions: [...(versions ?? []), unborn] }] };
    expect(removed(decideAll(history, policy({ versions: 8 })))).toEqual(['1@1 versions']);
  });

  it('removes nothing that was current within the lock window', () => {
    expect(removed(decideAll(daily(9), policy({ versions: 1 }), { protectDays: 3 }))).toEqual([
      '1@1 versions',
      '1@2 versions',
      '1@3 versions',
      '1@4 versions',
      '1@5 versions',
    ]);
  });
});

describe('directories', () => {
  const directory = (
    firstRun: number,
    lastRun: number | null,
    endReason: 'deleted' | null = null,
  ): RetentionVersion => ({
    firstRun,
    lastRun,
    isDirectory: true,
    contentSince: firstRun,
    existsSince: 1,
    endReason,
  });
  const file = (firstRun: number, lastRun: number | null, endReason: 'deleted' | null = null): RetentionVersion => ({
    ...directory(firstRun, lastRun, endReason),
    isDirectory: false,
  });

  it('are not counted, and go by days with their interval joined to the next', () => {
    const { snapshots, nowMs } = daily(9);
    const versions = [directory(1, 3), directory(3, 4), directory(4, 8), directory(8, null)];
    const history = { snapshots, nowMs, paths: [{ pathNo: 1, parentNo: 0, versions }] };
    expect(removed(decideAll(history, policy({ versions: 1 })))).toEqual([]);
    const decisions = decideAll(history, policy({ days: 5 }));
    expect(removed(decisions)).toEqual(['1@1 days', '1@3 days']);
    expect(afterRemoval(history, decisions).paths[0]?.versions).toEqual(
      [directory(1, 8), directory(8, null)].map((v, at) => (at === 0 ? { ...v, contentSince: 4 } : v)),
    );
  });

  it('stay while something stays that they held', () => {
    const { snapshots, nowMs } = daily(9);
    const paths: RetentionPath[] = [
      { pathNo: 1, parentNo: 0, versions: [directory(1, 2, 'deleted')] },
      { pathNo: 2, parentNo: 1, versions: [file(1, 2, 'deleted')] },
      { pathNo: 3, parentNo: 1, versions: [file(1, 2, 'deleted')] },
    ];
    const history = { snapshots, nowMs, paths };
    expect(removed(decideAll(history, policy({ deletedDays: 3 })))).toEqual([
      '1@1 deleted',
      '2@1 deleted',
      '3@1 deleted',
    ]);
    const deselected = { ...file(1, 2), endReason: 'deselected' as const };
    const partly = { ...history, paths: [...paths.slice(0, 2), { pathNo: 3, parentNo: 1, versions: [deselected] }] };
    expect(removed(decideAll(partly, policy({ deletedDays: 3 })))).toEqual(['2@1 deleted']);
  });

  it('join only what follows directly', () => {
    const versions = [directory(1, 3), directory(3, 4), file(4, 5), directory(5, 6), directory(8, null)].map(
      (version) => ({
        ...version,
        isRemoved: version.lastRun !== null && version.firstRun !== 3,
      }),
    );
    expect([...joinDirectories(versions)]).toEqual([[1, 3]]);
  });
});

describe('retention of kind snapshots', () => {
  const at = (text: string, number: number, outcome: 'succeeded' | 'partial' = 'succeeded'): RetentionSnapshot => ({
    number,
    stampMs: Date.parse(text),
    countsAtMs: Date.parse(text),
    outcome,
  });

  it.each<[string, Partial<RetentionPolicy>, string, RetentionSnapshot[], number[]]>([
    [
      'keeps the newest of each day, in the zone of the task',
      { keepDaily: 2 },
      'Europe/Berlin',
      [at('2026-03-01T22:30Z', 1), at('2026-03-01T23:30Z', 2), at('2026-03-02T10:00Z', 3), at('2026-03-03T10:00Z', 4)],
      [3, 4],
    ],
    [
      'tells the two hours apart that one hour of the clock is when it goes back',
      { keepHourly: 3 },
      'Europe/Berlin',
      [at('2026-10-25T00:30Z', 1), at('2026-10-25T01:30Z', 2), at('2026-10-25T02:30Z', 3)],
      [1, 2, 3],
    ],
    [
      'counts ISO weeks, over the turn of the year',
      { keepWeekly: 2 },
      'UTC',
      // 2026-12-28 (Monday) to 2027-01-03 are week 53 of 2026.
      [at('2026-12-27T12:00Z', 1), at('2026-12-28T12:00Z', 2), at('2027-01-03T12:00Z', 3), at('2027-01-04T12:00Z', 4)],
      [3, 4],
    ],
    [
      'keeps months and years',
      { keepMonthly: 2, keepYearly: 3 },
      'UTC',
      [at('2024-05-01T12:00Z', 1), at('2025-05-01T12:00Z', 2), at('2026-04-01T12:00Z', 3), at('2026-05-01T12:00Z', 4)],
      [1, 2, 3, 4],
    ],
    [
      'takes one that succeeded before a partial one',
      { keepDaily: 1 },
      'UTC',
      [at('2026-05-01T01:00Z', 1), at('2026-05-01T02:00Z', 2, 'partial'), at('2026-05-01T03:00Z', 3, 'partial')],
      [1, 3],
    ],
    [
      'does not let partial ones push out the last that succeeded',
      { keepLast: 2 },
      'UTC',
      [
        at('2026-05-01T01:00Z', 1),
        at('2026-05-01T02:00Z', 2),
        at('2026-05-01T03:00Z', 3, 'partial'),
        at('2026-05-01T04:00Z', 4, 'partial'),
      ],
      [1, 2, 4],
    ],
  ])('%s', (_, parts, timeZone, snapshots, expected) => {
    const kept = keptSnapshots(snapshots, policy({ kind: 'snapshots', ...parts }), timeZone);
    expect([...kept.keys()].sort((a, b) => a - b)).toEqual(expected);
  });

  it('keeps one of each night, also while stamps stand still after a clock that leapt ahead', () => {
    const night = (number: number): number => Date.UTC(2026, 0, number, 2);
    const leapt = night(40);
    const nights = [1, 2, 3, 4, 5, 6, 7, 8].map((number): RetentionSnapshot => {
      const stampMs = number < 3 ? night(number) : leapt + number;
      return { number, stampMs, countsAtMs: number === 3 ? stampMs : night(number), outcome: 'succeeded' };
    });
    const kept = keptSnapshots(nights, policy({ kind: 'snapshots', keepDaily: 5 }), 'UTC');
    expect([...kept.keys()].sort((a, b) => a - b)).toEqual([4, 5, 6, 7, 8]);
  });

  it('takes what lies between kept snapshots', () => {
    expect(removed(decideAll(daily(5), policy({ kind: 'snapshots', keepLast: 2 })))).toEqual([
      '1@1 snapshots',
      '1@2 snapshots',
      '1@3 snapshots',
    ]);
  });
});

describe('retention of any history', () => {
  const moment = fc.record({
    protectDays: fc.integer({ min: 0, max: 4 }),
    pins: fc.array(fc.nat(12), { maxLength: 2 }),
  });
  const given = fc.record({ history: aHistory, policy: aPolicy, moment });
  const decided = ({
    history,
    policy: effective,
    moment: { protectDays, pins },
  }: {
    history: TestHistory;
    policy: EffectivePolicy;
    moment: { protectDays: number; pins: number[] };
  }): RetentionDecision[] => decideAll(history, effective, { protectDays, pinnedRuns: pins });

  it('keeps the newest version of every path, unless it was deleted long ago', () => {
    fc.assert(
      fc.property(given, (all) => {
        const effective = { ...all.policy, deletedDays: null };
        const gone = new Set(removed(decided({ ...all, policy: effective })).map((text) => text.split(' ')[0]));
        for (const path of all.history.paths) {
          const head = all.history.snapshots.at(-1)?.number ?? 0;
          const newest = path.versions.filter(({ firstRun }) => firstRun <= head).at(-1);
          if (newest !== undefined) expect(gone).not.toContain(`${path.pathNo}@${newest.firstRun}`);
        }
      }),
    );
  });

  it('keeps no less than counting days from the creation of a version would', () => {
    fc.assert(
      fc.property(given, (all) => {
        const effective = {
          ...all.policy,
          kind: 'versions' as const,
          versions: null,
          deletedDays: null,
          days: all.policy.days ?? 3,
        };
        for (const { action, version } of decided({ ...all, policy: effective })) {
          const made = all.history.snapshots.find(({ number }) => number === version.firstRun)?.stampMs ?? Infinity;
          if (made > all.history.nowMs - effective.days * DAY) expect(action).toBe('keep');
        }
      }),
    );
  });

  it('removes no more when the policy is larger', () => {
    const fields = [
      'versions',
      'days',
      'deletedDays',
      'keepLast',
      'keepHourly',
      'keepDaily',
      'keepWeekly',
      'keepMonthly',
      'keepYearly',
    ] as const;
    fc.assert(
      fc.property(given, fc.constantFrom(...fields), fc.integer({ min: 1, max: 5 }), (all, field, more) => {
        const value = all.policy[field];
        const isCount = field.startsWith('keep');
        const larger = { ...all.policy, [field]: value === null ? (isCount ? more : null) : value + more };
        // A first count turns "everything" into a choice: that is no larger policy.
        if (isCount && keepsEverything(all.policy)) return;
        const names = (decisions: RetentionDecision[]): string[] =>
          decisions.filter(({ action }) => action === 'remove').map(nameOf);
        const before = new Set(names(decided(all)));
        for (const name of names(decided({ ...all, policy: larger }))) expect(before).toContain(name);
      }),
    );
  });

  it('removes nothing new when it is applied twice', () => {
    fc.assert(
      fc.property(given, (all) => {
        const left = afterRemoval(all.history, decided(all));
        expect(removed(decided({ ...all, history: left }))).toEqual([]);
      }),
    );
  });

  it('ends in the same, whether some paths were looked at before or not', () => {
    fc.assert(
      fc.property(given, fc.array(fc.nat(8)), (all, first) => {
        const whole = afterRemoval(all.history, decided(all));
        const hasDirectories = new Set(
          decided(all).flatMap(({ pathNo, version }) => (version.isDirectory ? [pathNo] : [])),
        );
        // The newest of a path goes after all others of it, so it stays as long as those of a directory do.
        const early = decided(all).filter(
          (decision) =>
            first.includes(decision.pathNo) &&
            !decision.version.isDirectory &&
            !(decision.action === 'remove' && decision.reason === 'deleted' && hasDirectories.has(decision.pathNo)),
        );
        const partly = afterRemoval(all.history, early);
        expect(afterRemoval(partly, decided({ ...all, history: partly }))).toEqual(whole);
      }),
    );
  });

  it('leaves every version that stays reachable by listing', () => {
    fc.assert(
      fc.property(given, (all) => {
        const { paths, snapshots } = afterRemoval(all.history, decided(all));
        const head = snapshots.at(-1)?.number ?? 0;
        const byNo = new Map(paths.map((path) => [path.pathNo, path]));
        for (const { parentNo, versions } of paths) {
          if (parentNo === 0) continue;
          for (const version of versions) {
            if (version.firstRun > head) continue;
            const run = version.firstRun;
            const parent = byNo
              .get(parentNo)
              ?.versions.find(({ firstRun, lastRun }) => firstRun <= run && (lastRun === null || lastRun > run));
            expect(parent?.isDirectory).toBe(true);
          }
        }
      }),
    );
  });
});
