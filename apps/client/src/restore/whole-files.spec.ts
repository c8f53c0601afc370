import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { dataChunkId, type Entry, keyString } from '#engine';
import { type NativeCalls, nativeCalls } from '../system/native-calls';
import { SystemCallError } from '../system/system-call-error';
import { expectNewborn } from './metadata';
import { FakeServer, Sandbox } from './testing';
import { UNFINISHED_MODE } from './unfinished';

/** The real calls, some of them replaced. */
function calls(replaced: Partial<NativeCalls>): NativeCalls {
  return { ...nativeCalls()!, ...replaced };
}

describe('files that one chunk makes whole', () => {
  let sandbox: Sandbox;
  beforeEach(() => {
    sandbox = new Sandbox();
  });
  afterEach(() => {
    sandbox.remove();
  });

  const oneFile = (): FakeServer =>
    new FakeServer().directory('/').directory('/a').file('/a/f', 'mine', { mode: 0o666 });

  it('are not there before their chunk is', async () => {
    const server = oneFile();
    let names: string[] = ['?'];
    server.onRead = () => {
      names = readdirSync(sandbox.in('a'));
    };
    await sandbox.restore(server);
    expect(names).toEqual([]);
    expect(readFileSync(sandbox.in('a', 'f'), 'utf8')).toBe('mine');
    expect(statSync(sandbox.in('a', 'f')).mode & 0o777).toBe(0o666);
  });

  it("are nobody else's, under a temporary name, until they have their metadata", async () => {
    const seen: string[] = [];
    const system = calls({
      listXattrs: (path) => {
        const stats = lstatSync(path);
        if (stats.isFile()) seen.push(`${basename(path.toString()).slice(0, 10)} ${(stats.mode & 0o7777).toString(8)}`);
        return [];
      },
    });
    await sandbox.restore(oneFile(), { system });
    expect(seen).toEqual(['.holdfast- 1000']);
    expect(readdirSync(sandbox.in('a'))).toEqual(['f']);
  });

  it('leave alone what took their place meanwhile, and nothing of themselves', async () => {
    const victim = join(sandbox.outside, 'victim');
    writeFileSync(victim, 'precious');
    for (const system of [
      calls({}),
      calls({
        renameNew: (_directory, from) => {
          throw new SystemCallError('renameat2', 'EINVAL', from);
        },
      }),
    ]) {
      const box = new Sandbox();
      const server = oneFile();
      server.onRead = () => {
        symlinkSync(victim, box.in('a', 'f'));
      };
      const outcome = await box.restore(server, { system });
      expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a/f']);
      expect(readdirSync(box.in('a'))).toEqual(['f']);
      expect(readlinkSync(box.in('a', 'f'))).toBe(victim);
      box.remove();
    }
    expect(readFileSync(victim, 'utf8')).toBe('precious');
  });

  it('are put in place by a link where the file system cannot rename without replacing', async () => {
    const system = calls({
      renameNew: (_directory, from) => {
        throw new SystemCallError('renameat2', 'EINVAL', from);
      },
    });
    const outcome = await sandbox.restore(oneFile().file('/b', 'too'), { system });
    expect(outcome.failedCount).toBe(0);
    expect(readdirSync(sandbox.in('a'))).toEqual(['f']);
    expect(statSync(sandbox.in('a', 'f')).nlink).toBe(1);
    expect(readFileSync(sandbox.in('b'), 'utf8')).toBe('too');
  });

  describe('after the first one of a directory', () => {
    /** Two files in one directory, of which the second is made last: what was stored first has the last rank. */
    const twoFiles = (fields: Partial<Entry> = {}): FakeServer => {
      const server = new FakeServer();
      server.store(Buffer.from('next'));
      server.directory('/').directory('/a').file('/a/f', 'mine', { mode: 0o666 });
      return server.file('/a/g', 'next', { mode: 0o640, ...fields });
    };
    /** What stands in /a whenever something is written, with its mode. */
    const watched = (replaced: Partial<NativeCalls> = {}): { system: NativeCalls; seen: Map<string, string> } => {
      const seen = new Map<string, string>();
      const system = calls({
        ...replaced,
        writeFile: (fd, bytes) => {
          for (const name of readdirSync(sandbox.in('a'))) {
            const { mode, size } = lstatSync(sandbox.in('a', name));
            if (size === 0) seen.set(name.slice(0, 10), (mode & 0o7777).toString(8));
          }
          nativeCalls()!.writeFile(fd, bytes);
        },
      });
      return { system, seen };
    };

    it('are under their own names, and marked as unfinished until they are whole', async () => {
      const { system, seen } = watched();
      const outcome = await sandbox.restore(twoFiles(), { system });
      expect(outcome.failedCount).toBe(0);
      expect(seen.get('g')).toBe('1000');
      expect(readFileSync(sandbox.in('a', 'g'), 'utf8')).toBe('next');
      expect(statSync(sandbox.in('a', 'g')).mode & 0o7777).toBe(0o640);
      expect(statSync(sandbox.in('a', 'g'), { bigint: true }).mtimeNs).toBe(1_000_000_123n);
      expect(readdirSync(sandbox.in('a'))).toEqual(['f', 'g']);
    });

    it('are so in the next directories at once, unless these may make their files otherwise', async () => {
      const inPlace = async (target: string, replaced: Partial<NativeCalls> = {}): Promise<string[]> => {
        const names: string[] = [];
        const system = calls({
          ...replaced,
          createFile: (directory, name, mode) => {
            names.push(name.toString('latin1'));
            return nativeCalls()!.createFile(directory, name, mode);
          },
        });
        const server = new FakeServer();
        server.store(Buffer.from('next'));
        server.directory('/').directory('/a').file('/a/f', 'mine').directory('/b').file('/b/g', 'next');
        const outcome = await sandbox.restore(server, { system, target: sandbox.in(target) });
        expect(outcome.failedCount).toBe(0);
        expect(readdirSync(sandbox.in(target, 'a')).concat(readdirSync(sandbox.in(target, 'b')))).toEqual(['f', 'g']);
        return names.filter((name) => !name.startsWith('.holdfast-'));
      };
      expect(await inPlace('alike')).toEqual(['g']);
      const listXattrsOfFile = (): Buffer[] => [
        Buffer.from('user.of-the-directory'),
        Buffer.from('system.posix_acl_default'),
      ];
      expect(await inPlace('handed-down', { listXattrsOfFile })).toEqual([]);
    });

    it('are expected to be as another one in the same file system only, and of the group that they will have', () => {
      const system = nativeCalls()!;
      const directory = openSync(sandbox.in(), constants.O_RDONLY);
      try {
        const { dev, gid, uid } = fstatSync(directory);
        const other = { uid, gid, device: dev, hasXattrs: false, keepsMark: true };
        expect(expectNewborn(system, directory, other)).toBe(other);
        expect(expectNewborn(system, directory, { ...other, device: dev + 1 })).toBeNull();
        expect(expectNewborn(system, directory, { ...other, gid: gid + 1 })).toBeNull();
        expect(expectNewborn(system, directory, { ...other, hasXattrs: true })).toBeNull();
        expect(expectNewborn(system, directory, { ...other, keepsMark: false })).toBeNull();
        const failing = calls({
          listXattrsOfFile: () => {
            throw new SystemCallError('flistxattr', 'EIO', null);
          },
        });
        expect(expectNewborn(failing, directory, other)).toBeNull();
      } finally {
        closeSync(directory);
      }
    });

    const asRoot = process.geteuid?.() === 0 ? it : it.skip;
    asRoot.each(['skip', 'overwrite'] as const)(
      'have the group of a directory with set-group-id in that one only (%s)',
      async (conflicts) => {
        for (const [name, mode] of [
          ['a', 0o2755],
          ['b', 0o755],
        ] as const) {
          mkdirSync(sandbox.in(name));
          chownSync(sandbox.in(name), 0, 100);
          chmodSync(sandbox.in(name), mode);
        }
        const server = new FakeServer();
        server.store(Buffer.from('next'));
        server.directory('/').directory('/a', { mode: 0o2755, uid: 0, gid: 100 });
        server.file('/a/f', 'mine', { uid: 0, gid: 100 }).directory('/b', { uid: 0, gid: 100 });
        server.file('/b/g', 'next', { uid: 0, gid: 100, mode: 0o2755 });
        const outcome = await sandbox.restore(server, { conflicts });
        expect(outcome.failedCount).toBe(0);
        expect(statSync(sandbox.in('a', 'f')).gid).toBe(100);
        const { gid, mode } = statSync(sandbox.in('b', 'g'));
        expect({ gid, mode: mode & 0o7777 }).toEqual({ gid: 100, mode: 0o2755 });
      },
    );

    asRoot(
      'have their own group again where a directory handed down another one to those of a plain user',
      async () => {
        mkdirSync(sandbox.in('a'));
        chownSync(sandbox.in('a'), 0, 100);
        chmodSync(sandbox.in('a'), 0o2755);
        const owner = { uid: 0, gid: process.getegid?.() ?? 0, isRoot: false };
        const server = new FakeServer().directory('/').directory('/a');
        server.file('/a/f', 'mine', { uid: 0, gid: owner.gid }).file('/a/g', 'next', { uid: 0, gid: owner.gid });
        await sandbox.restore(server, { conflicts: 'skip', owner });
        for (const name of ['f', 'g']) expect(statSync(sandbox.in('a', name)).gid).toBe(owner.gid);
      },
    );

    it('get their mode last', async () => {
      const order: string[] = [];
      const system = calls({
        setTimesOfFile: (...call) => {
          order.push('times');
          nativeCalls()!.setTimesOfFile(...call);
        },
        chmodFile: (fd, mode) => {
          order.push(mode.toString(8));
          nativeCalls()!.chmodFile(fd, mode);
        },
      });
      await sandbox.restore(twoFiles(), { system });
      expect(order).toEqual(['times', '666', 'times', '640']);
    });

    const create = (directory: number, name: Buffer, mode: number): number =>
      nativeCalls()!.createFile(directory, name, mode);
    it.each<[string, Partial<Entry>, Partial<NativeCalls>]>([
      ['their entry has the mode that marks', { mode: UNFINISHED_MODE }, {}],
      ['they have attributes', { xattrs: [{ name: Buffer.from('user.x'), value: Buffer.from('1') }] }, {}],
      ['set-id bits may have to be dropped from such a mode', { mode: UNFINISHED_MODE | 0o4000 }, {}],
      [
        'the file system makes up modes',
        {},
        { createFile: (directory, name, mode) => create(directory, name, mode === UNFINISHED_MODE ? 0o770 : mode) },
      ],
      [
        'the file system refuses such a mode',
        {},
        {
          createFile: (directory, name, mode) => {
            if (mode === UNFINISHED_MODE) throw new SystemCallError('openat', 'EINVAL', null);
            return create(directory, name, mode);
          },
        },
      ],
    ])('have a temporary name as well where %s', async (_, fields, replaced) => {
      const { system, seen } = watched(replaced);
      const outcome = await sandbox.restore(twoFiles(fields), { system });
      expect(outcome.failedCount).toBe(0);
      expect([...seen.keys()]).toEqual(['.holdfast-']);
      expect(readdirSync(sandbox.in('a'))).toEqual(['f', 'g']);
    });

    it('have a temporary name as well where the old file is to be replaced', async () => {
      mkdirSync(sandbox.in('a'));
      writeFileSync(sandbox.in('a', 'g'), 'old');
      const { system, seen } = watched();
      await sandbox.restore(twoFiles(), { system, conflicts: 'overwrite' });
      expect([...seen.keys()]).toEqual(['.holdfast-']);
      expect(readFileSync(sandbox.in('a', 'g'), 'utf8')).toBe('next');
    });

    it.each(['writeFile', 'setTimesOfFile', 'closeFile'] as const)('leave nothing when %s fails', async (name) => {
      const real = calls({}) as unknown as Record<string, (...call: unknown[]) => void>;
      let count = 0;
      const failing = (...call: unknown[]): void => {
        count += 1;
        if (count > 1) throw new SystemCallError(name, 'EIO', null);
        real[name]?.(...call);
      };
      const outcome = await sandbox.restore(twoFiles(), { system: calls({ [name]: failing }) });
      expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a/g']);
      expect(readdirSync(sandbox.in('a'))).toEqual(['f']);
    });

    it('leave alone what took their place meanwhile', async () => {
      const server = twoFiles();
      server.onRead = () => {
        writeFileSync(sandbox.in('a', 'g'), 'precious');
      };
      const outcome = await sandbox.restore(server);
      expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a/g']);
      expect(readFileSync(sandbox.in('a', 'g'), 'utf8')).toBe('precious');
    });

    it('that failed do not take with them what somebody put in their place', async () => {
      let count = 0;
      const system = calls({
        setTimesOfFile: (...call) => {
          count += 1;
          if (count === 1) {
            nativeCalls()!.setTimesOfFile(...call);
            return;
          }
          writeFileSync(sandbox.in('a', 'saved'), 'precious');
          renameSync(sandbox.in('a', 'saved'), sandbox.in('a', 'g'));
          throw new SystemCallError('futimens', 'EIO', null);
        },
      });
      const outcome = await sandbox.restore(twoFiles(), { system });
      expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a/g']);
      expect(readFileSync(sandbox.in('a', 'g'), 'utf8')).toBe('precious');
    });

    it('leave what a killed restore began until they are whole', async () => {
      mkdirSync(sandbox.in('a'));
      for (const name of ['f', 'g']) {
        writeFileSync(sandbox.in('a', name), 'ha');
        chmodSync(sandbox.in('a', name), UNFINISHED_MODE);
      }
      const server = twoFiles();
      server.chunks.delete(keyString({ id: dataChunkId(Buffer.from('next')), height: 0 }));
      const outcome = await sandbox.restore(server, { conflicts: 'skip' });
      expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a/g']);
      expect(readFileSync(sandbox.in('a', 'f'), 'utf8')).toBe('mine');
      expect(statSync(sandbox.in('a', 'g')).mode & 0o7777).toBe(UNFINISHED_MODE);
      const again = await sandbox.restore(twoFiles(), { conflicts: 'skip' });
      expect(again).toMatchObject({ files: 1, skipped: 1, failedCount: 0 });
      expect(readdirSync(sandbox.in('a'))).toEqual(['f', 'g']);
      expect(readFileSync(sandbox.in('a', 'g'), 'utf8')).toBe('next');
    });

    it('replace what a killed restore began, and nothing else, with skip-existing', async () => {
      mkdirSync(sandbox.in('a'));
      for (const [name, mode] of [
        ['f', 0o1000],
        ['g', 0o000],
        ['h', 0o1000],
      ] as const) {
        writeFileSync(sandbox.in('a', name), 'ha');
        chmodSync(sandbox.in('a', name), mode);
      }
      const server = twoFiles().file('/a/h', 'marked', { mode: UNFINISHED_MODE });
      const outcome = await sandbox.restore(server, { conflicts: 'skip' });
      expect(outcome).toMatchObject({ files: 1, skipped: 2, failedCount: 0 });
      expect(readFileSync(sandbox.in('a', 'f'), 'utf8')).toBe('mine');
      expect(['g', 'h'].map((name) => statSync(sandbox.in('a', name)).size)).toEqual([2, 2]);
    });
  });

  it('leave nothing when their metadata cannot be set', async () => {
    const system = calls({
      setTimesOfFile: () => {
        throw new SystemCallError('futimens', 'EIO', null);
      },
    });
    const outcome = await sandbox.restore(oneFile(), { system });
    expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a/f']);
    expect(readdirSync(sandbox.in('a'))).toEqual([]);
  });
});
