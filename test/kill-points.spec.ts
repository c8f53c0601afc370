import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_KILL_POINTS, STATE_POINTS, type StatePoint, STORAGE_CLASSES, WRITE_POINTS } from '#common';
import { FleetWalk } from './support/fleet-walk';
import { differences, itWith } from './support/judge';
import { KillJourney } from './support/kill-journey';

/** Points that the plain journey does not reach, with what leads there. */
const BY_RACE: readonly string[] = ['packs.dead', 'storage.put.void'];
const BY_DAMAGE: readonly string[] = ['chunks.damaged'];
const BY_FLEET: readonly string[] = [
  'users.change',
  'sign-in.attempt',
  'audit.append',
  'clients.change',
  'tasks.change',
  'runs.queue',
  'runs.report',
  'logs.change',
  'config.export',
  'storage.put.config',
];
const BY_RETENTION: readonly string[] = [
  'retention.policy',
  'retention.plan',
  'retention.remove',
  'retention.end',
  'storage.put.removal',
];
const BY_RECLAIM: readonly string[] = [
  'maintenance.begin',
  'maintenance.end',
  'storage.put.high-water',
  'reclaim.forget',
  'reclaim.condemn',
  'reclaim.sweep',
  'reclaim.move',
  'packs.deleted',
];
const BY_STOPPING: readonly string[] = ['guards.stop', 'guards.acknowledge'];
const BY_SCRUB: readonly string[] = ['scrub.progress', 'space.reckon'];
const BY_DUMPING: readonly string[] = ['storage.put.catalog'];
const BY_FORGETTING: readonly string[] = ['retention.begin'];

/** What only bringing a catalog back writes: test/catalog.spec.ts kills it there. */
const OF_RESTORE: readonly string[] = ['catalog.load', 'catalog.adopt'];
const restorePairs = OF_RESTORE.flatMap((point) => [`${point}:before-commit`, `${point}:after-commit`]);
const serverPairs = [
  ...WRITE_POINTS.filter((point) => !OF_RESTORE.includes(point)).map(
    (point) => [`${point}:before-commit`, `${point}:after-commit`] as const,
  ),
  ...STORAGE_CLASSES.map((name) => [`storage.put.${name}:before`, `storage.put.${name}:after`] as const),
];
const nameOf = ([first]: readonly [string, string]): string => first.replace(/:.*/, '');

/** Where a server that dies leaves PostgreSQL a transaction, locks or a connection to end by itself. SQLite is walked whole. */
const ON_POSTGRES: readonly string[] = [
  'leases.take',
  'runs.start',
  'runs.batch',
  'runs.committing',
  'runs.commit',
  'runs.undo-slice',
  'packs.uploading',
  'packs.live',
  'retention.remove',
  'reclaim.sweep',
  'reclaim.move',
  'storage.put.manifest',
];
const postgresPairs = serverPairs
  .filter((pair) => ON_POSTGRES.includes(nameOf(pair)))
  .map((pair) => ['postgres', nameOf(pair), pair] as const);

/** What only the service writes: test/fleet-agent.spec.ts kills it there, also on its configuration page. */
const OF_SERVICE: readonly string[] = [
  'state.enrolling',
  'state.settings',
  'state.config',
  'state.schedule',
  'state.command',
];
const pairOf = (point: StatePoint) => [`${point}:before`, `${point}:after`] as const;
const agentPairs = STATE_POINTS.filter((point) => !OF_SERVICE.includes(point)).map(pairOf);
const servicePairs = STATE_POINTS.filter((point) => OF_SERVICE.includes(point)).map(pairOf);

describe('a process that is killed at a write', () => {
  let journey: KillJourney | undefined;

  afterEach(async () => {
    await journey?.end();
    journey = undefined;
  });

  async function expectSame(id: string, copy: string): Promise<void> {
    expect(await differences(copy, await journey!.restore(id))).toBe('');
  }

  /** Two backups, a killed one between them, and both snapshots restored. */
  async function plainJourney(): Promise<void> {
    await journey!.enroll();
    const first = await journey!.backup('first');
    journey!.change();
    await journey!.backupThatDies();
    const second = await journey!.backup('second');
    // A commit whose answer was lost may stand beside the one that was reported; nothing half does.
    const snapshots = await journey!.snapshots();
    expect(snapshots.length).toBeLessThanOrEqual(4);
    expect(snapshots.every((snapshot) => snapshot.state === 'succeeded')).toBe(true);
    await expectSame(first.id, first.copy);
    await expectSame(second.id, second.copy);
  }

  async function race(): Promise<void> {
    await journey!.enroll();
    const first = await journey!.backup('first');
    for (let attempt = 0; attempt < 20 && journey!.deaths.length < 2; attempt += 1) {
      await journey!.raceOverHttp().catch(() => undefined);
      // A server that was killed is back as soon as it answers this.
      await journey!.snapshots();
    }
    await expectSame(first.id, first.copy);
  }

  async function damage(): Promise<void> {
    await journey!.enroll();
    const first = await journey!.backup('first');
    const packs = join(journey!.server.dataPath, 'packs');
    const pack = readdirSync(packs, { recursive: true, encoding: 'utf8' })
      .map((name) => join(packs, name))
      .find((path) => statSync(path).isFile())!;
    const file = openSync(pack, 'r+');
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, 100_000);
    writeSync(file, Buffer.from([byte[0]! ^ 1]), 0, 1, 100_000);
    closeSync(file);
    await journey!
      .insist(['restore', first.id, '--target', join(journey!.folder.path, 'fails')])
      .catch(() => undefined);
    // The next backup reads what was lost again, and the old snapshot is whole again.
    await journey!.backup('second');
    await expectSame(first.id, first.copy);
  }

  /** What people and agents do beside backups; whatever of it stands has its event in the audit, and the other way round. */
  async function fleet(): Promise<void> {
    await journey!.enroll();
    const first = await journey!.backup('first');
    const walk = await FleetWalk.begin(journey!);
    for (let attempt = 0; attempt < 20 && journey!.deaths.length < 2; attempt += 1) {
      await walk.once(first.id).catch(() => undefined);
      await journey!.snapshots();
    }
    expect(await walk.unaudited()).toEqual([]);
    await journey!.backup('second');
    await expectSame(first.id, first.copy);
  }

  /** With a policy that keeps one version: the newest snapshot stays whole, whatever dies while older versions go. */
  async function retention(): Promise<void> {
    await journey!.enroll();
    await journey!.keepVersions(1);
    await journey!.backup('first');
    journey!.change();
    await journey!.backup('second');
    journey!.change();
    const third = await journey!.backup('third');
    await expectSame(third.id, third.copy);
  }

  /** Two passes two days apart and one more, days later; whatever dies, what is kept restores. */
  async function reclaim(): Promise<void> {
    await journey!.enroll();
    await journey!.keepVersions(1);
    await journey!.backup('first');
    journey!.changeAlone();
    journey!.replaceLarge();
    await journey!.backup('second');
    journey!.changeAlone();
    const third = await journey!.backup('third');
    for (const hours of [0, 49, 122]) await journey!.reclaimAt(hours);
    await expectSame(third.id, third.copy);
  }

  /** Storage with a run that nobody knows stops deletions, until an admin acknowledges it. */
  async function stopping(): Promise<void> {
    await journey!.enroll();
    const first = await journey!.backup('first');
    journey!.plantUnknownRun();
    expect(await journey!.stopAndAcknowledge()).toEqual(['storage-ahead']);
    await expectSame(first.id, first.copy);
  }

  async function scrub(): Promise<void> {
    await journey!.enroll();
    const first = await journey!.backup('first');
    await journey!.scrub();
    await expectSame(first.id, first.copy);
  }

  /** A dump that did not come through is no dump; the next one is. */
  async function dumping(): Promise<void> {
    await journey!.enroll();
    const first = await journey!.backup('first');
    await journey!.dumpCatalog();
    await expectSame(first.id, first.copy);
  }

  async function forgetting(): Promise<void> {
    await journey!.enroll();
    await journey!.backup('first');
    journey!.change();
    const second = await journey!.backup('second');
    await journey!.forget('/nothing/of/this/name');
    await expectSame(second.id, second.copy);
  }

  function journeyTo(name: string): Promise<void> {
    if (BY_RACE.includes(name)) return race();
    if (BY_FLEET.includes(name)) return fleet();
    if (BY_DAMAGE.includes(name)) return damage();
    if (BY_RETENTION.includes(name)) return retention();
    if (BY_RECLAIM.includes(name)) return reclaim();
    if (BY_STOPPING.includes(name)) return stopping();
    if (BY_SCRUB.includes(name)) return scrub();
    if (BY_DUMPING.includes(name)) return dumping();
    if (BY_FORGETTING.includes(name)) return forgetting();
    return plainJourney();
  }

  it.each([...serverPairs.map((pair) => ['sqlite', nameOf(pair), pair] as const), ...postgresPairs])(
    'server on %s at %s: loses nothing that it reported as stored',
    async (kind, name, pair) => {
      journey = await KillJourney.begin({ server: pair }, kind);
      await journeyTo(name);
      expect(journey.deaths).toEqual(pair);
    },
    300_000,
  );

  it.each(agentPairs.map((pair) => [nameOf(pair), pair] as const))(
    'agent at %s: loses nothing that was reported as stored',
    async (_name, pair) => {
      journey = await KillJourney.begin({ agent: pair });
      await plainJourney();
      expect(journey.deaths).toEqual(pair);
    },
    300_000,
  );
});

describe('the list of kill points', () => {
  itWith()('is what the journeys above walk', () => {
    expect([...serverPairs, ...restorePairs, ...agentPairs, ...servicePairs].flat().sort()).toEqual(
      [...ALL_KILL_POINTS].sort(),
    );
  });

  it('has every place that writes files behind it', () => {
    /** Files that may write: each takes its kill points from the list, or writes nothing that is relied on (with the reason). */
    const ALLOWED: Readonly<Record<string, string>> = {
      'apps/server/src/storage/durable-files.ts': 'below the local-disk storage, which kill-point.storage.ts wraps',
      'apps/server/src/storage/local-disk.storage.ts': 'wrapped by kill-point.storage.ts',
      'apps/server/src/backups/manifest-writer.ts':
        'a spool file, which nobody relies on before it is put into storage',
      'apps/server/src/backups/manifest-draft.ts':
        'a spool file of one process: it counts when what is read back has the digest of the run, else it is not used',
      'apps/server/src/storage/disk-claim-file.ts':
        'says which disk this is; one that is lost or old costs a start a look at the storage',
      'apps/server/src/storage/own-spool.ts': 'the sign of life of a server, which means nothing after its death',
      'apps/server/src/config/secret-file.ts':
        'neither database nor storage; written whole and linked into place, made anew when absent',
      'apps/client/src/state/durable-write.ts': 'takes a StatePoint',
      'apps/client/src/log/log-spool.ts': 'log lines: what a crash cuts off is told as such',
      'apps/client/src/state/task-lock.ts': 'a lock names a process, and is nothing when that has died',
      'apps/client/src/backup/old-index.ts': 'a copy of what the server has, fetched anew when not whole',
      'apps/client/src/restore/finish-entries.ts': 'the target of a restore',
      'apps/client/src/restore/whole-files.ts': 'the target of a restore',
      'apps/client/src/restore/restore-record.ts':
        'says what a restore that is cut off leaves; one that is not whole is of a restore that wrote nothing',
      'apps/client/src/system/native-calls.ts': 'declares a system call, which whole-files.ts makes',
      'apps/client/src/restore/temporary-files.ts': 'the target of a restore',
    };
    const calls =
      /\b(?:writeFile|writeFileSync|rename|renameSync|createWriteStream|appendFile|appendFileSync|copyFile|copyFileSync|linkSync|truncateSync)\(/;
    const offenders: string[] = [];
    for (const top of ['apps/server/src', 'apps/client/src']) {
      for (const name of readdirSync(top, { recursive: true, encoding: 'utf8' })) {
        const path = join(top, name);
        if (!path.endsWith('.ts') || /\.(spec|testing|contract)\.ts$/.test(path) || path in ALLOWED) continue;
        if (calls.test(readFileSync(path, 'utf8'))) offenders.push(path);
      }
    }
    expect(offenders).toEqual([]);
  });
});
