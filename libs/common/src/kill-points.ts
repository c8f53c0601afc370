/**
 * Places where a process can be made to die by SIGKILL, so that tests prove what a crash there leaves behind.
 * Every write to the database or to storage passes one before and one after (`Database.write`, the storage wrapper,
 * the agent's state files take a name from these lists), so a new write cannot be added without naming it here.
 */

/** Names for `Database.write(point, ...)`: each is a pair of kill points, `:before-commit` and `:after-commit`. */
export const WRITE_POINTS = [
  'settings.set',
  'users.create',
  'users.change',
  'sign-in.attempt',
  'audit.append',
  'clients.register',
  'clients.seen',
  'clients.change',
  'tasks.create',
  'tasks.change',
  'runs.start',
  'runs.batch',
  'runs.problems',
  'runs.committing',
  'runs.commit',
  'runs.undoing',
  'runs.undo-slice',
  'runs.undone',
  'runs.lease',
  'runs.queue',
  'runs.report',
  'logs.change',
  'leases.take',
  'chunks.missing',
  'chunks.damaged',
  'packs.uploading',
  'packs.live',
  'packs.dead',
  'packs.deleted',
  'guards.beat',
  'guards.stop',
  'guards.acknowledge',
  'maintenance.begin',
  'maintenance.end',
  'reclaim.forget',
  'reclaim.condemn',
  'reclaim.sweep',
  'scrub.progress',
  'space.reckon',
  'reclaim.move',
  'retention.policy',
  'retention.pin',
  'retention.begin',
  'retention.plan',
  'retention.remove',
  'retention.end',
  'config.export',
  'catalog.load',
  'catalog.adopt',
] as const;
export type WritePoint = (typeof WRITE_POINTS)[number];

/** Classes of storage objects: each write is a pair, `storage.put.<class>:before` and `:after`. */
export const STORAGE_CLASSES = [
  'repository',
  'pack',
  'manifest',
  'void',
  'removal',
  'high-water',
  'config',
  'catalog',
] as const;
export type StorageClass = (typeof STORAGE_CLASSES)[number];

/** Names of the agent's state writes: each is a pair, `:before` and `:after` the rename. */
export const STATE_POINTS = [
  'state.identity',
  'state.enrolling',
  'state.settings',
  'state.config',
  'state.schedule',
  'state.command',
  'state.run',
  'state.index-next',
  'state.index-adopted',
  'state.run-cleared',
] as const;
export type StatePoint = (typeof STATE_POINTS)[number];

export type KillPoint =
  | `${WritePoint}:before-commit`
  | `${WritePoint}:after-commit`
  | `storage.put.${StorageClass}:before`
  | `storage.put.${StorageClass}:after`
  | `${StatePoint}:before`
  | `${StatePoint}:after`;

export const ALL_KILL_POINTS: readonly KillPoint[] = [
  ...WRITE_POINTS.flatMap((point) => [`${point}:before-commit`, `${point}:after-commit`] as const),
  ...STORAGE_CLASSES.flatMap((name) => [`storage.put.${name}:before`, `storage.put.${name}:after`] as const),
  ...STATE_POINTS.flatMap((point) => [`${point}:before`, `${point}:after`] as const),
];

/** Told of every kill point that is passed. */
export interface KillPoints {
  hit(point: KillPoint): void;
}

export const NO_KILL_POINTS: KillPoints = { hit: () => undefined };

/**
 * Kills this very process (SIGKILL: no handler, no flush) at the n-th passing of one point.
 * `setting` is `NAME` or `NAME#n`, n counted from 1. Throws on a name that does not exist.
 */
export function killPointsFrom(setting: string | undefined): KillPoints {
  if (setting === undefined || setting === '') return NO_KILL_POINTS;
  const [name, countText] = setting.split('#');
  const target = ALL_KILL_POINTS.find((point) => point === name);
  if (target === undefined) throw new Error(`HOLDFAST_KILL_AT names no kill point: ${setting}`);
  let remaining = countText === undefined ? 1 : Number.parseInt(countText, 10);
  return {
    hit: (point) => {
      if (point !== target) return;
      remaining -= 1;
      if (remaining === 0) process.kill(process.pid, 'SIGKILL');
    },
  };
}
