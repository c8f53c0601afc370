import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { nativeCalls } from '../system/native-calls';
import { type ConflictPolicy } from './ports';
import { RestoreRecord } from './restore-record';
import { Notes } from './restore-report';
import { FakeServer, Sandbox } from './testing';

const NAME = 'a'.repeat(18);
const PREFIX = `.holdfast-${NAME}-`;
const OTHER = '.holdfast-other-3';

describe('the record of a restore', () => {
  let sandbox: Sandbox;
  beforeEach(() => {
    sandbox = new Sandbox();
  });
  afterEach(() => {
    sandbox.remove();
  });

  const file = (): string => join(sandbox.spool, `restore-${NAME}.json`);
  const records = (): string[] => readdirSync(sandbox.spool);

  /** A restore that wrote its record; whoever calls it ends it. */
  function begin(conflicts: ConflictPolicy): RestoreRecord {
    const targetFd = openSync(sandbox.target, 'r');
    const scope = { prefix: PREFIX, target: sandbox.target, targetFd, snapshotId: 'snapshot', path: Buffer.from('/') };
    const record = RestoreRecord.begin(
      sandbox.spool,
      { ...scope, conflicts },
      { system: nativeCalls(), report: new Notes() },
    );
    closeSync(targetFd);
    return record;
  }

  function litter(): void {
    mkdirSync(sandbox.in('d'));
    for (const name of [`${PREFIX}1`, join('d', `${PREFIX}2`), join('d', OTHER)]) {
      writeFileSync(sandbox.in(name), 'half');
    }
  }

  /** What a restore leaves that was cut off: its record, and files in two folders of the target. */
  function leave(changes: object = {}, conflicts: ConflictPolicy = 'skip'): void {
    begin(conflicts).end('cut-off');
    const content = JSON.parse(readFileSync(file(), 'utf8')) as object;
    writeFileSync(file(), JSON.stringify({ ...content, ...changes }));
    litter();
  }

  const server = (): FakeServer => new FakeServer().directory('/').directory('/d').file('/d/f', 'x');
  const restore = (changes: { snapshotId?: string } = {}): ReturnType<Sandbox['restore']> =>
    sandbox.restore(server(), { conflicts: 'skip', ...changes });
  const left = (): string[] => [...readdirSync(sandbox.target), ...readdirSync(sandbox.in('d'))].sort();
  const BEFORE = [OTHER, `${PREFIX}1`, `${PREFIX}2`, 'd', 'f'].sort();
  const CLEANED = [OTHER, 'd', 'f'];

  it('tells the next restore what it may remove', async () => {
    leave();
    const { notes } = await restore();
    expect(left()).toEqual(CLEANED);
    expect(notes).toEqual(['Temporary files of a restore that was cut off were removed (2 entries)']);
    expect(records()).toEqual([]);
  });

  it('stays until the same snapshot is restored, whose folders alone are surely all of them', async () => {
    leave();
    const { notes } = await restore({ snapshotId: 'later' });
    expect(notes).toContain('An earlier restore of another snapshot was cut off: the files that it restored are kept');
    expect(left()).toEqual(CLEANED);
    expect(records()).toEqual([`restore-${NAME}.json`]);
    await restore();
    expect(records()).toEqual([]);
  });

  it('tells of files that a restore with --overwrite had not come to', async () => {
    leave({}, 'overwrite');
    expect((await restore()).notes).toContain(
      'An earlier restore with --overwrite was cut off: files that it had not come to are kept as they are',
    );
  });

  it('means nothing while its restore runs, in whichever container', async () => {
    const running = begin('skip');
    litter();
    await restore();
    running.end('cut-off');
    expect(left()).toEqual(BEFORE);
    expect(records()).toEqual([`restore-${NAME}.json`]);
  });

  it.each([
    ['another target', { targetBase64: Buffer.from('/elsewhere').toString('base64') }],
    ['another folder in the place of that target', { targetInode: '1' }],
    ['a prefix that is none', { prefixes: [''] }],
    ['a prefix of others', { prefixes: [PREFIX, '.'] }],
    ['no prefixes', { prefixes: PREFIX }],
    ['no policy', { conflicts: 'x' }],
    ['no machine', { bootId: 7 }],
    ['no end', { isEnded: null }],
  ])('means nothing when it is of %s', async (_what, changes) => {
    leave(changes);
    await restore();
    expect(left()).toEqual(BEFORE);
    expect(records()).toEqual([`restore-${NAME}.json`]);
  });

  it.each(['', 'null', '7', '{"prefixes":', '[]'])('that reads %j is left alone', async (text) => {
    leave();
    writeFileSync(file(), text);
    await restore();
    expect(left()).toEqual(BEFORE);
    expect(readFileSync(file(), 'utf8')).toBe(text);
  });

  it('that cannot be read ends no restore', async () => {
    litter();
    mkdirSync(file());
    await restore();
    expect(left()).toEqual(BEFORE);
  });

  it('is there before anything is written, for its owner only, and stays when the restore fails', async () => {
    leave();
    const failing = server();
    const seen: number[] = [];
    failing.onRead = () => {
      for (const name of records()) seen.push(statSync(join(sandbox.spool, name)).mode & 0o777);
      throw new Error('the connection is cut');
    };
    await expect(sandbox.restore(failing, { conflicts: 'skip' })).rejects.toThrow('the connection is cut');
    expect(new Set(seen)).toEqual(new Set([0o600]));
    // One took the other's place.
    expect(records()).toHaveLength(1);
    expect(existsSync(file())).toBe(false);
    const [name] = records();
    expect(JSON.parse(readFileSync(join(sandbox.spool, name!), 'utf8'))).toMatchObject({
      prefixes: [expect.any(String), PREFIX],
    });
    await restore();
    expect(records()).toEqual([]);
  });

  it('stays while something could not be restored, or removed', async () => {
    leave();
    // Nothing that a restore makes under such a name is a folder, and nobody's folder is removed.
    mkdirSync(sandbox.in(`${PREFIX}0`));
    const notes = [...(await restore()).notes];
    expect(left()).toEqual([OTHER, `${PREFIX}0`, 'd', 'f'].sort());
    expect(notes.sort()).toEqual([
      'Temporary files of a restore that was cut off could not be removed (1 entry)',
      'Temporary files of a restore that was cut off were removed (2 entries)',
    ]);
    expect(records()).toHaveLength(1);
    const lacking = server().file('/d/g', 'lost');
    lacking.chunks.clear();
    expect((await sandbox.restore(lacking, { conflicts: 'skip' })).failedCount).toBe(1);
    expect(records()).toHaveLength(1);
  });

  describe('after the machine went down', () => {
    const time = { mtimeNs: 7_000_000_000n };
    const snapshot = (): FakeServer =>
      new FakeServer().directory('/').directory('/d', time).file('/d/f', 'whole', time);
    const damage = (): void => {
      writeFileSync(sandbox.in('d', 'f'), '');
      for (const path of [sandbox.in('d', 'f'), sandbox.in('d')]) utimesSync(path, 7, 7);
    };

    it('has files restored again that have their time, which may lack bytes, and no others', async () => {
      leave({ bootId: 'another' });
      writeFileSync(sandbox.in('d', 'g'), 'mine');
      damage();
      const { notes, skipped } = await sandbox.restore(snapshot().file('/d/g', 'new', time).sort(), {
        conflicts: 'skip',
      });
      expect(notes[0]).toBe(
        'The machine went down during an earlier restore into this target: its files are restored again',
      );
      expect(skipped).toBe(1);
      expect(readFileSync(sandbox.in('d', 'f'), 'utf8')).toBe('whole');
      expect(readFileSync(sandbox.in('d', 'g'), 'utf8')).toBe('mine');
      expect(lstatSync(sandbox.in('d')).mtimeMs).toBe(7_000);
      expect(records()).toEqual([]);
    });

    it('is remembered until that came to its end', async () => {
      leave({ bootId: 'another' });
      damage();
      const failing = snapshot();
      failing.onRead = () => {
        throw new Error('the connection is cut');
      };
      await expect(sandbox.restore(failing, { conflicts: 'skip' })).rejects.toThrow('the connection is cut');
      await sandbox.restore(snapshot(), { conflicts: 'skip' });
      expect(readFileSync(sandbox.in('d', 'f'), 'utf8')).toBe('whole');
    });

    it('keeps files of a restore that had come to its end, but for what failed', async () => {
      begin('skip').end('lacking');
      const content = JSON.parse(readFileSync(file(), 'utf8')) as object;
      expect(content).toMatchObject({ isEnded: true });
      writeFileSync(file(), JSON.stringify({ ...content, bootId: 'another' }));
      litter();
      damage();
      const { notes } = await sandbox.restore(snapshot(), { conflicts: 'skip' });
      expect(notes).toEqual(['Temporary files of a restore that was cut off were removed (2 entries)']);
      expect(readFileSync(sandbox.in('d', 'f'), 'utf8')).toBe('');
      expect(records()).toEqual([]);
    });

    it('keeps files when it did not', async () => {
      leave();
      damage();
      await sandbox.restore(snapshot(), { conflicts: 'skip' });
      expect(readFileSync(sandbox.in('d', 'f'), 'utf8')).toBe('');
    });
  });

  describe('and folders that have the mode of unfinished ones', () => {
    const old = { mtimeNs: 7_000_000_007n };
    const snapshot = (): FakeServer =>
      new FakeServer()
        .directory('/')
        .directory('/begun', { mode: 0o751, ...old })
        .directory('/handed', { mode: 0o2755, ...old })
        .directory('/listed', { mode: 0o755, ...old })
        .directory('/new', { mode: 0o3700, ...old })
        .directory('/own', { mode: 0o1700, ...old })
        .directory('/plain', { mode: 0o755, ...old });
    const MODES = { begun: 0o1700, handed: 0o3700, listed: 0o1775, own: 0o1700, plain: 0o700 };
    const look = (): Record<string, [number, boolean]> =>
      Object.fromEntries(
        ['begun', 'handed', 'listed', 'own', 'plain'].map((name) => {
          const { mode, mtimeNs } = lstatSync(sandbox.in(name), { bigint: true });
          return [name, [Number(mode & 0o7777n), mtimeNs === old.mtimeNs]];
        }),
      );
    beforeEach(() => {
      for (const [name, mode] of Object.entries(MODES)) {
        mkdirSync(sandbox.in(name));
        chmodSync(sandbox.in(name), mode);
      }
    });

    it('has them finished with --skip-existing, and no others', async () => {
      begin('skip').end('cut-off');
      await sandbox.restore(snapshot(), { conflicts: 'skip' });
      expect(look()).toEqual({
        begun: [0o751, true],
        handed: [0o2755, true],
        // An ACL had changed the mark.
        listed: [0o755, true],
        own: [0o1700, false],
        plain: [0o700, false],
      });
      expect(lstatSync(sandbox.in('new')).mode & 0o7777).toBe(0o3700);
    });

    it.each(['refuse', 'skip'] as const)('leaves them alone where there is none, with %s', async (conflicts) => {
      await sandbox.restore(snapshot(), { conflicts });
      expect(look()).toEqual(Object.fromEntries(Object.entries(MODES).map(([name, mode]) => [name, [mode, false]])));
    });

    it('leaves them alone without --skip-existing', async () => {
      begin('skip').end('cut-off');
      await sandbox.restore(snapshot(), { conflicts: 'refuse' });
      expect(look().begun).toEqual([0o1700, false]);
    });

    (process.getuid?.() === 0 ? it : it.skip)('leaves those of others alone (needs root)', async () => {
      chownSync(sandbox.in('begun'), 12_345, 12_345);
      begin('skip').end('cut-off');
      await sandbox.restore(snapshot(), { conflicts: 'skip' });
      expect(look().begun).toEqual([0o1700, false]);
      expect(lstatSync(sandbox.in('begun')).uid).toBe(12_345);
    });
  });

  describe('and hard links to what is kept', () => {
    const group = { hardLinkGroup: 7n, mode: 0o640 };
    const link = { kind: 'symlink', linkTarget: Buffer.from('x'), hardLinkGroup: 9n } as const;
    const snapshot = (): FakeServer => {
      const made = new FakeServer().directory('/').add('/l1', link).add('/l2', link);
      return made.file('/1', 'same', group).file('/2', 'same', group).file('/3', 'same', group).sort();
    };
    const inode = (name: string): number => lstatSync(sandbox.in(name)).ino;
    const remove = (...names: string[]): void => {
      for (const name of names) unlinkSync(sandbox.in(name));
    };
    const again = (): ReturnType<Sandbox['restore']> => sandbox.restore(snapshot(), { conflicts: 'skip' });

    beforeEach(async () => {
      await sandbox.restore(snapshot());
      remove('2', 'l2');
    });

    it('has them linked when it is what the snapshot has', async () => {
      begin('skip').end('cut-off');
      expect(await again()).toMatchObject({ files: 1, others: 1, skipped: 3, bytes: 0, failedCount: 0 });
      expect(inode('2')).toBe(inode('1'));
      expect(inode('l2')).toBe(inode('l1'));
    });

    it('has them restored from the server where there is none', async () => {
      expect(await again()).toMatchObject({ files: 1, others: 1, skipped: 3, bytes: 4 });
      expect(inode('2')).not.toBe(inode('1'));
      expect(readFileSync(sandbox.in('2'), 'utf8')).toBe('same');
    });

    it.each<[string, () => void]>([
      [
        'written since, of the same length',
        () => {
          writeFileSync(sandbox.in('1'), 'mine');
        },
      ],
      [
        'has another mode',
        () => {
          chmodSync(sandbox.in('1'), 0o644);
        },
      ],
      [
        'has another length',
        () => {
          const { mtime } = statSync(sandbox.in('1'));
          writeFileSync(sandbox.in('1'), 'longer');
          utimesSync(sandbox.in('1'), mtime, mtime);
        },
      ],
    ])('has them restored from the server where it is %s', async (_what, change) => {
      change();
      begin('skip').end('cut-off');
      expect(await again()).toMatchObject({ files: 1, bytes: 4, failedCount: 0 });
      expect(inode('2')).not.toBe(inode('1'));
      expect(readFileSync(sandbox.in('2'), 'utf8')).toBe('same');
    });

    (process.getuid?.() === 0 ? it : it.skip)('has them restored from the server where it is of others', async () => {
      chownSync(sandbox.in('1'), 12_345, 12_345);
      begin('skip').end('cut-off');
      await again();
      expect(inode('2')).not.toBe(inode('1'));
    });
  });
});
