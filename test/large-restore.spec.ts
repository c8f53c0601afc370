import {
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { differences, itWith } from './support/judge';
import { AgentProcess, finish, ServerProcess, system, temporaryFolder } from './support/processes';

const FOLDERS = 60;
const FILES_PER_FOLDER = 40;
const BIG_BYTES = 48 * 1024 * 1024;

/** Bytes that do not shrink, the same in every run. */
function noise(seed: string, length: number): Buffer {
  const blocks = Math.ceil(length / 32);
  const pieces = Array.from({ length: blocks }, (_, at) => createHash('sha256').update(`${seed}/${at}`).digest());
  return Buffer.concat(pieces).subarray(0, length);
}

function buildSource(source: string): void {
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    const path = join(source, `folder ${folder}`);
    mkdirSync(path, { recursive: true, mode: folder % 7 === 0 ? 0o2750 : 0o755 });
    for (let file = 0; file < FILES_PER_FOLDER; file += 1) {
      const mode = file % 5 === 0 ? 0o640 : 0o644;
      writeFileSync(join(path, `file ${file}`), noise(`${folder}/${file}`, 10 + ((folder * file) % 3_000)), { mode });
    }
  }
  linkSync(join(source, 'folder 3', 'file 3'), join(source, 'folder 9', 'linked'));
  writeFileSync(join(source, 'big'), noise('big', BIG_BYTES));
  const holes = openSync(join(source, 'holes'), 'w');
  writeSync(holes, 'start', 0);
  writeSync(holes, noise('middle', 3_000_000), 0, 3_000_000, 40_000_000);
  ftruncateSync(holes, 90_000_000);
  closeSync(holes);
}

/** Paths below `top` of everything that is no directory. */
function filesBelow(top: string): string[] {
  return pathsBelow(top, false);
}

function foldersBelow(top: string): string[] {
  return pathsBelow(top, true);
}

function pathsBelow(top: string, areFolders: boolean): string[] {
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((item) => item.isDirectory() === areFolders)
    .map((item) => join(item.parentPath, item.name));
}

/** So many that threads open the blocks and write the files. */
describe('a large restore', () => {
  const folder = temporaryFolder('large');
  const at = (...names: string[]): string => join(folder.path, ...names);
  const source = at('source');
  const agent = new AgentProcess(at('state'));
  let server: ServerProcess;

  beforeAll(async () => {
    buildSource(source);
    server = await ServerProcess.create(at('data'));
    expect(await server.start()).toBe('serving');
    expect(await agent.enroll(server)).toMatchObject({ code: 0 });
    await agent.json(['backup', source]);
  });

  afterAll(async () => {
    await server.kill('SIGTERM');
    folder.remove();
  });

  /** Ends a restore as soon as it has begun to write files; returns the exit code or signal, and where it wrote. */
  async function endEarly(
    name: string,
    signal: NodeJS.Signals,
    conflicts: string,
  ): Promise<{ ended: unknown; restored: string }> {
    const target = at(name);
    const restored = join(target, source);
    mkdirSync(join(target, source, '..'), { recursive: true });
    const child = agent.start(['restore', 'latest', '--target', target, conflicts]);
    const watcher = watch(target, { recursive: true }, (_, path) => {
      // Once: an agent that is told twice ends at once.
      if (path !== null && /file \d+$|holes$/.test(path) && !child.killed) child.kill(signal);
    });
    try {
      const { code, signal: by } = await finish(child);
      return { ended: code ?? by, restored };
    } finally {
      watcher.close();
    }
  }

  /** By its name, or by its mode (apps/client/src/restore/unfinished.ts). */
  const isTemporary = (path: string): boolean =>
    path.includes('/.holdfast-') || (lstatSync(path).mode & 0o7777) === 0o1000;

  itWith('isRoot', 'hasRsync')('restores every file exactly, and check reads every chunk', async () => {
    await agent.json(['restore', 'latest', '--target', at('whole')]);
    expect(await differences(source, join(at('whole'), source))).toBe('');
    expect(statSync(join(at('whole'), source, 'holes')).blocks * 512).toBeLessThan(8_000_000);
    const checked = await agent.json<{ damagedCount: number; readBytes: number }>(['check', '--read-data']);
    expect(checked.damagedCount).toBe(0);
    expect(checked.readBytes).toBeGreaterThan(BIG_BYTES);
  });

  itWith(
    'isRoot',
    'hasRsync',
    'hasAcl',
  )('takes off what the target hands down to new files', async () => {
    mkdirSync(at('handed'));
    await system('setfacl', ['-d', '-m', 'u:1:rwx', at('handed')]);
    await system('chgrp', ['7', at('handed')]);
    await system('chmod', ['2777', at('handed')]);
    await agent.json(['restore', 'latest', '--target', at('handed')]);
    expect(await differences(source, join(at('handed'), source))).toBe('');
  });

  // With --overwrite everything gets a temporary name first.
  it.each([
    ['SIGTERM', '--overwrite'],
    ['SIGKILL', '--overwrite'],
    ['SIGTERM', '--skip-existing'],
    ['SIGKILL', '--skip-existing'],
  ] as const)('leaves only whole files when it is ended by %s, with %s', async (signal, conflicts) => {
    // A restore that was over before the signal reached it tells nothing: then another one is ended.
    let [name, attempt] = [`${signal}${conflicts}`, 0];
    let { ended, restored } = await endEarly(name, signal, conflicts);
    while (ended === 0 && attempt < 10) {
      attempt += 1;
      name = `${signal}${conflicts}-${attempt}`;
      ({ ended, restored } = await endEarly(name, signal, conflicts));
    }
    expect(ended).not.toBe(0);
    const left = filesBelow(restored);
    expect(left.length).toBeGreaterThan(0);
    if (signal === 'SIGTERM') expect(left.filter(isTemporary)).toEqual([]);
    for (const path of left.filter((one) => !isTemporary(one))) {
      const original = join(source, path.slice(restored.length));
      expect(readFileSync(path).equals(readFileSync(original))).toBe(true);
      // Metadata come before the place.
      expect(lstatSync(path, { bigint: true }).mtimeNs).toBe(lstatSync(original, { bigint: true }).mtimeNs);
    }
    await agent.json(['restore', 'latest', '--target', at(name), '--skip-existing']);
    const copyOf = (path: string): string => join(restored, path.slice(source.length));
    for (const path of filesBelow(source)) {
      expect(readFileSync(copyOf(path)).equals(readFileSync(path))).toBe(true);
      expect(lstatSync(copyOf(path)).mode).toBe(lstatSync(path).mode);
    }
    for (const path of [source, ...foldersBelow(source)]) {
      const [made, original] = [copyOf(path), path].map((one) => lstatSync(one, { bigint: true }));
      expect(made).toMatchObject({ mode: original!.mode, mtimeNs: original!.mtimeNs });
    }
    const links = [join('folder 3', 'file 3'), join('folder 9', 'linked')];
    const [leader, follower] = links.map((path) => lstatSync(join(restored, path)));
    expect(follower!.ino).toBe(leader!.ino);
    expect(filesBelow(restored).filter(isTemporary)).toEqual([]);
    expect(readdirSync(at('state')).filter((item) => item.startsWith('restore-'))).toEqual([]);
  });

  it('names what is damaged in storage and restores the rest', async () => {
    await server.kill('SIGTERM');
    const packs = filesBelow(at('data', 'packs'));
    for (const pack of packs) {
      const bytes = readFileSync(pack);
      // In the payload of the first block, which holds small files.
      bytes.fill(0, 40_000, 40_100);
      writeFileSync(pack, bytes);
    }
    expect(await server.start()).toBe('serving');
    const words = ['restore', 'latest', '--target', at('damaged')];
    const outcome = await agent.json<{ failedCount: number; failed: { path: string; reason: string }[] }>(words, [3]);
    expect(outcome.failedCount).toBeGreaterThan(0);
    const restored = join(at('damaged'), source);
    const missing = new Set(outcome.failed.map(({ path }) => path));
    for (const path of filesBelow(source)) {
      const copy = join(restored, path.slice(source.length));
      if (missing.has(path)) expect(() => lstatSync(copy)).toThrow(/ENOENT/);
      else expect(readFileSync(copy).equals(readFileSync(path))).toBe(true);
    }
  });
});
