import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identifyProcess } from '../state/process-identity';
import { RestoreRecord } from './restore-record';
import { Notes } from './restore-report';
import { FakeServer, Sandbox } from './testing';

const NAME = 'a'.repeat(18);
const PREFIX = `.holdfast-${NAME}-`;

describe('the record of a restore', () => {
  let sandbox: Sandbox;
  beforeEach(() => {
    sandbox = new Sandbox();
  });
  afterEach(() => {
    sandbox.remove();
  });

  const file = (): string => join(sandbox.spool, `restore-${NAME}.json`);

  /** What a restore leaves that was killed: its record, and files in two folders of the target. */
  function leave(changes: object = {}): void {
    const target = sandbox.target;
    const scope = { prefix: PREFIX, target, snapshotId: 'snapshot', path: Buffer.from('/') };
    const targetFd = openSync(target, 'r');
    RestoreRecord.begin(sandbox.spool, { ...scope, targetFd }, new Notes());
    closeSync(targetFd);
    const content = JSON.parse(readFileSync(file(), 'utf8')) as object;
    // No process has started then.
    writeFileSync(file(), JSON.stringify({ ...content, startedAt: 'another boot:1', ...changes }));
    mkdirSync(sandbox.in('d'));
    for (const name of [`${PREFIX}1`, join('d', `${PREFIX}2`), join('d', '.holdfast-other-3')]) {
      writeFileSync(sandbox.in(name), 'half');
    }
  }

  const server = (): FakeServer => new FakeServer().directory('/').directory('/d').file('/d/f', 'x');
  const restore = (changes: { snapshotId?: string } = {}): ReturnType<Sandbox['restore']> =>
    sandbox.restore(server(), { conflicts: 'skip', ...changes });
  const left = (): string[] => [...readdirSync(sandbox.target), ...readdirSync(sandbox.in('d'))].sort();
  const BEFORE = ['.holdfast-other-3', `${PREFIX}1`, `${PREFIX}2`, 'd'].sort();

  it('tells the next restore what it may remove', async () => {
    leave();
    const { notes } = await restore();
    expect(left()).toEqual(['.holdfast-other-3', 'd', 'f']);
    expect(notes).toEqual(['Temporary files of a restore that was killed were removed (2 entries)']);
    expect(readdirSync(sandbox.spool)).toEqual([]);
  });

  it('stays until the same snapshot is restored, whose folders alone are surely all of them', async () => {
    leave();
    await restore({ snapshotId: 'later' });
    expect(left()).toEqual(['.holdfast-other-3', 'd', 'f']);
    expect(readdirSync(sandbox.spool)).toEqual([`restore-${NAME}.json`]);
    await restore();
    expect(readdirSync(sandbox.spool)).toEqual([]);
  });

  it.each([
    ['a restore that still runs', identifyProcess(process.pid)],
    ['another target', { targetBase64: Buffer.from('/elsewhere').toString('base64') }],
    ['another folder in the place of that target', { targetInode: '1' }],
    ['a prefix that is none', { prefix: '' }],
    ['a prefix of others', { prefix: '.' }],
    ['no process', { pid: 'x' }],
  ])('means nothing when it is of %s', async (_what, changes) => {
    leave(changes);
    await restore();
    expect(left()).toEqual([...BEFORE, 'f'].sort());
    expect(readdirSync(sandbox.spool)).toEqual([`restore-${NAME}.json`]);
  });

  it.each(['', 'null', '7', '{"pid":1', '[]'])('that reads %j is left alone', async (text) => {
    leave();
    writeFileSync(file(), text);
    await restore();
    expect(left()).toEqual([...BEFORE, 'f'].sort());
    expect(readFileSync(file(), 'utf8')).toBe(text);
  });

  it('is there before anything is written, for its owner only, and gone when the restore has failed', async () => {
    const failing = server();
    const seen: number[] = [];
    failing.onRead = () => {
      for (const name of readdirSync(sandbox.spool)) seen.push(statSync(join(sandbox.spool, name)).mode & 0o777);
      throw new Error('the connection is cut');
    };
    await expect(sandbox.restore(failing)).rejects.toThrow('the connection is cut');
    expect(new Set(seen)).toEqual(new Set([0o600]));
    expect(readdirSync(sandbox.spool)).toEqual([]);
  });
});
