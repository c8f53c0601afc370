import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type NativeCalls, nativeCalls } from '../system/native-calls';
import { SystemCallError } from '../system/system-call-error';
import { FakeServer, Sandbox } from './testing';

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
        if (stats.isFile()) seen.push(`${basename(path.toString()).slice(0, 10)} ${(stats.mode & 0o777).toString(8)}`);
        return [];
      },
    });
    await sandbox.restore(oneFile(), { system });
    expect(seen).toEqual(['.holdfast- 600']);
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
