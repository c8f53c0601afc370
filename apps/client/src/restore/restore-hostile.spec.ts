import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeEntry, RecordStreamEncoder } from '#engine';
import { FakeServer, OWN, Sandbox } from './testing';

/** A record as an honest encoder would refuse to write it: [parent, name, entry] in CBOR. */
function rawStream(...paths: (readonly [parent: string, name: string, kind: 'file' | 'directory'])[]): Buffer {
  const encoder = new RecordStreamEncoder('entries');
  const head = (length: number): Buffer => (length < 24 ? Buffer.from([0x40 + length]) : Buffer.from([0x58, length]));
  const parts: Buffer[] = [];
  for (const [parent, name, kind] of paths) {
    const entry = encodeEntry({ kind, size: 0, mtimeNs: 0n, mode: 0o644, content: null, ...OWN });
    const record = [Buffer.from([0x83]), head(parent.length), Buffer.from(parent), head(name.length)];
    const ready = encoder.add(Buffer.concat([...record, Buffer.from(name), entry]));
    if (ready !== null) parts.push(ready);
  }
  return Buffer.concat([...parts, encoder.finish()]);
}

describe('a restore from a hostile server', () => {
  let sandbox: Sandbox;
  beforeEach(() => {
    sandbox = new Sandbox();
  });
  afterEach(() => {
    sandbox.remove();
  });

  const root = ['', '', 'directory'] as const;
  it.each([
    ['a name that is ".."', rawStream(root, ['/', '..', 'directory'], ['/..', 'outside', 'file'])],
    ['a name with a slash', rawStream(root, ['/', '../outside/x', 'file'])],
    ['a parent with ".."', rawStream(root, ['/a/..', 'x', 'file'])],
    ['a name that is "."', rawStream(root, ['/', '.', 'directory'])],
    ['a name with NUL', rawStream(root, ['/', 'a\0b', 'file'])],
    ['an empty name', rawStream(root, ['/', '', 'file'])],
    ['a relative parent', rawStream(root, ['a', 'b', 'file'])],
    ['a stream that is cut', rawStream(root, ['/', 'a', 'file']).subarray(0, -10)],
  ])('writes nothing for %s', async (_what, stream) => {
    const server = new FakeServer();
    server.stream = stream;
    await expect(sandbox.restore(server)).rejects.toThrow(/corrupt/);
    expect(readdirSync(sandbox.target)).toEqual([]);
    expect(readdirSync(sandbox.outside)).toEqual([]);
    expect(readdirSync(sandbox.spool)).toEqual([]);
  });

  it.each([
    [
      'more extended attributes than there can be',
      (s: FakeServer) => {
        const xattrContent = { id: Buffer.alloc(32, 1), height: 8, size: Number.MAX_SAFE_INTEGER };
        return s.directory('/').directory('/a', { xattrContent }).directory('/b', { xattrContent });
      },
    ],
    ['a path twice', (s: FakeServer) => s.directory('/').file('/a', 'x').file('/a', 'y')],
    ['paths out of order', (s: FakeServer) => s.directory('/').file('/b', 'x').file('/a', 'y')],
    ['a parent that never came', (s: FakeServer) => s.directory('/').file('/a/b', 'x')],
    ['a parent that comes after', (s: FakeServer) => s.directory('/').file('/a/b', 'x').directory('/a')],
    [
      'a symlink as a parent',
      (s: FakeServer) =>
        s
          .directory('/')
          .add('/a', { kind: 'symlink', linkTarget: Buffer.from('..') })
          .file('/a/b', 'x'),
    ],
    ['a file as a parent', (s: FakeServer) => s.directory('/').file('/a', 'x').file('/a/b', 'x')],
    ['a sibling of a directory as its child', (s: FakeServer) => s.directory('/').directory('/a').file('/ab/c', 'x')],
    ['something else first', (s: FakeServer) => s.directory('/a').file('/a/b', 'x')],
    ['a file as the root', (s: FakeServer) => s.file('/', 'x')],
  ])('writes nothing for %s', async (_what, build) => {
    await expect(sandbox.restore(build(new FakeServer()))).rejects.toMatchObject({ code: 'unsafe-entries' });
    expect(readdirSync(sandbox.target)).toEqual([]);
  });

  it('refuses entries outside of the path that was asked for', async () => {
    const server = new FakeServer().directory('/a').file('/a/x', 'x').file('/ab', 'y');
    await expect(sandbox.restore(server, { path: Buffer.from('/a') })).rejects.toMatchObject({
      code: 'unsafe-entries',
    });
    expect(readdirSync(sandbox.target)).toEqual([]);
  });

  it('never follows a symlink that stands where a directory belongs', async () => {
    symlinkSync(sandbox.outside, sandbox.in('a'));
    const server = (): FakeServer => new FakeServer().directory('/').directory('/a').file('/a/x', 'mine');
    await expect(sandbox.restore(server())).rejects.toMatchObject({ code: 'conflict' });
    const kept = await sandbox.restore(server(), { conflicts: 'skip' });
    expect(kept.failed).toMatchObject([{ path: Buffer.from('/a'), belowCount: 1 }]);
    expect(kept.failedCount).toBe(2);
    expect(readdirSync(sandbox.outside)).toEqual([]);
    expect((await sandbox.restore(server(), { conflicts: 'overwrite' })).failedCount).toBe(0);
    expect(readFileSync(sandbox.in('a', 'x'), 'utf8')).toBe('mine');
    expect(readdirSync(sandbox.outside)).toEqual([]);
  });

  it('never leaves the target when a directory is swapped for a link while it runs', async () => {
    const server = new FakeServer().directory('/');
    // More directories than handles are kept, so that some are opened again after the swap.
    for (let i = 0; i < 300; i++) server.directory(`/d${i}`).file(`/d${i}/f`, `content ${i}`);
    server.sort();
    server.onRead = (call) => {
      if (call > 0) return;
      for (let i = 0; i < 300; i += 2) {
        renameSync(sandbox.in(`d${i}`), sandbox.in(`moved${i}`));
        symlinkSync(sandbox.outside, sandbox.in(`d${i}`));
      }
    };
    const outcome = await sandbox.restore(server);
    expect(readdirSync(sandbox.outside)).toEqual([]);
    expect(outcome.failedCount).toBeGreaterThan(0);
    for (let i = 1; i < 300; i += 2) expect(readFileSync(sandbox.in(`d${i}`, 'f'), 'utf8')).toBe(`content ${i}`);
  });

  it('fails a file that another took the place of, and leaves the other alone', async () => {
    const server = new FakeServer().directory('/').directory('/a').file('/a/f', 'mine', { isSparse: true });
    const victim = join(sandbox.outside, 'victim');
    writeFileSync(victim, 'precious');
    server.onRead = () => {
      const [name] = readdirSync(sandbox.in('a'));
      renameSync(sandbox.in('a', name!), join(sandbox.outside, 'stolen'));
      symlinkSync(victim, sandbox.in('a', name!));
    };
    const outcome = await sandbox.restore(server);
    expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a/f']);
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(readdirSync(sandbox.in('a'))).toEqual([]);
  });

  it('fails only the file whose list of chunks lies', async () => {
    const server = new FakeServer().directory('/');
    const lying = server.store(Buffer.alloc(6_000_000, 'lie'))!;
    expect(lying.height).toBe(1);
    server.add('/a', { size: 5_000_000, content: { ...lying, size: 5_000_000 } }).file('/b', 'fine');
    const outcome = await sandbox.restore(server);
    expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a']);
    expect(readdirSync(sandbox.target)).toEqual(['b']);
  });

  it('fails only the file that claims another length for a chunk', async () => {
    const server = new FakeServer().directory('/');
    const content = server.store(Buffer.from('four'))!;
    server.add('/a', { size: 5, content: { ...content, size: 5 } }).file('/b', 'fine');
    const outcome = await sandbox.restore(server);
    expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a']);
    expect(readFileSync(sandbox.in('b'), 'utf8')).toBe('fine');
  });

  it('gives nobody else a right to what is not finished', async () => {
    mkdirSync(sandbox.in('x'));
    const server = new FakeServer().directory('/').directory('/a', { mode: 0o777 });
    server.file('/a/f', 'x', { mode: 0o666, isSparse: true });
    let names: string[] = [];
    server.onRead = () => {
      names = readdirSync(sandbox.in('a'));
    };
    await sandbox.restore(server);
    expect(names).toHaveLength(1);
    expect(names[0]).toMatch(/^\.holdfast-[0-9a-f]{18}-/);
    expect(readdirSync(sandbox.in('a'))).toEqual(['f']);
  });
});
