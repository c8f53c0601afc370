import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  opendirSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { syncDirectory } from '../state/durable-write';
import { readBootId } from '../state/process-identity';
import { errorCode } from '../system/error-code';
import { childOf } from './directory-tree';
import { type ConflictPolicy, type SystemCalls } from './ports';
import { type Notes } from './restore-report';

/** Which restore it is. */
export interface RestoreScope {
  /** Of its temporary files' names; no other restore has the same. */
  prefix: string;
  target: string | Buffer;
  targetFd: number;
  snapshotId: string;
  /** Only this path and what is below it. */
  path: Buffer;
  conflicts: ConflictPolicy;
}

/** What restores into the same target that did not come to their end left there. For --skip-existing. */
export interface Earlier {
  /** There were some: folders with the mode of unfinished ones are theirs. */
  readonly isCutOff: boolean;
  /** One was of the same snapshot and path, and the machine has not gone down since: what it put in its place is whole. */
  readonly isContinued: boolean;
  /** The machine went down since: files may have their times, but not their bytes, and are restored again. */
  readonly redoes: boolean;
}

interface Content {
  /** The restore's own first, then those of dead ones whose place it took. */
  prefixes: string[];
  targetBase64: string;
  targetInode: string;
  snapshotId: string;
  pathBase64: string;
  conflicts: ConflictPolicy;
  /** Of the first of them; null where /proc does not tell. */
  bootId: string | null;
  /** It came to its end, but for paths that failed: what it wrote is as safe as what any restore wrote. */
  isEnded: boolean;
}

interface DeadRecord {
  file: string;
  /** Locked, so that nobody else takes it up. */
  fd: number;
  content: Content;
}

interface Parts {
  readonly content: Content;
  readonly file: string;
  /** Locked for as long as this process lives. */
  readonly fd: number;
  readonly dead: readonly DeadRecord[];
  readonly prefixes: readonly string[];
}

const FILE_NAME = /^restore-[0-9a-f]+\.json$/;
const PREFIX = /^\.holdfast-([0-9a-f]{18})-$/;
const MAX_PREFIXES = 1_000;

/**
 * A file in the agent's state that says which temporary names a restore uses, from before it writes the first until all is restored.
 * Its lock (flock(2)) tells whether the restore still runs, in whichever container. One that was cut off tells the next restore into
 * the same target (by path and inode) what it finds there: whose temporary files it may remove, and what was begun.
 */
export class RestoreRecord {
  private hasMissed = false;

  private constructor(
    readonly earlier: Earlier,
    private readonly parts: Parts,
    private readonly report: Pick<Notes, 'note'>,
  ) {}

  /**
   * `directory` exists. Records that cannot be read are left alone: one that was cut off in the middle is of a restore that wrote
   * nothing. Without native calls nobody can tell which restores still run, and all count as if they did.
   */
  static begin(
    directory: string,
    scope: RestoreScope,
    { system, report }: { system: Pick<SystemCalls, 'lockFile'> | null; report: Pick<Notes, 'note'> },
  ): RestoreRecord {
    const name = PREFIX.exec(scope.prefix)?.[1];
    if (name === undefined) throw new Error(`no prefix of temporary files: ${scope.prefix}`);
    const content = contentOf(scope);
    const dead = system === null ? [] : findDead(directory, content, system);
    const same = dead.filter((one) => isSameRestore(one.content, content));
    const lost = dead.filter((one) => !one.content.isEnded && one.content.bootId !== content.bootId);
    const earlier = {
      isCutOff: dead.length > 0,
      isContinued: same.length > 0 && lost.length === 0,
      redoes: lost.length > 0,
    };
    if (scope.conflicts === 'skip') tell(report, dead, content, earlier);
    const prefixes = [content.prefixes, ...dead.map((one) => one.content.prefixes)].flat().slice(0, MAX_PREFIXES);
    // It takes the place of those that were to restore the same.
    const taken = same.flatMap((one) => one.content.prefixes);
    const bootId = same.find((one) => lost.includes(one))?.content.bootId ?? content.bootId;
    const file = join(directory, `restore-${name}.json`);
    const written = { ...content, prefixes: [...content.prefixes, ...taken].slice(0, MAX_PREFIXES), bootId };
    const fd = write(file, written, system);
    syncDirectory(directory);
    for (const one of same) rmSync(one.file, { force: true });
    return new RestoreRecord(earlier, { content: written, file, fd, dead, prefixes }, report);
  }

  /** Removes from an open directory of the target what restores left there that were cut off. What cannot be removed is tried again by the next. */
  clean(directoryFd: number): void {
    if (!this.earlier.isCutOff) return;
    for (const name of this.leftIn(directoryFd)) {
      try {
        unlinkSync(childOf(directoryFd, name));
        this.report.note('Temporary files of a restore that was cut off were removed');
      } catch (error) {
        if (errorCode(error) === 'ENOENT') continue;
        this.miss();
      }
    }
  }

  /** `cut-off`: it did not come to its end; `lacking`: it did, but for paths that failed. */
  end(how: 'whole' | 'lacking' | 'cut-off'): void {
    const { file, fd, content } = this.parts;
    if (how === 'whole' && !this.hasMissed) rmSync(file, { force: true });
    else if (how !== 'cut-off') replaceText(fd, JSON.stringify({ ...content, isEnded: true }));
    closeSync(fd);
    for (const { fd } of this.parts.dead) closeSync(fd);
  }

  private leftIn(directoryFd: number): Buffer[] {
    const names: Buffer[] = [];
    try {
      // Names may be any bytes, prefixes are ASCII.
      const opened = opendirSync(`/proc/self/fd/${directoryFd}`, { encoding: 'latin1' });
      try {
        for (let item = opened.readSync(); item !== null; item = opened.readSync()) {
          const { name } = item;
          if (this.parts.prefixes.some((prefix) => name.startsWith(prefix))) names.push(Buffer.from(name, 'latin1'));
        }
      } finally {
        opened.closeSync();
      }
    } catch {
      this.miss();
    }
    return names;
  }

  private miss(): void {
    this.hasMissed = true;
    this.report.note('Temporary files of a restore that was cut off could not be removed');
  }
}

/** What the user would not expect of files that are kept. */
function tell(report: Pick<Notes, 'note'>, dead: readonly DeadRecord[], own: Content, earlier: Earlier): void {
  if (earlier.redoes) {
    report.note('The machine went down during an earlier restore into this target: its files are restored again', 0);
  }
  if (dead.some(({ content }) => content.conflicts === 'overwrite')) {
    report.note(
      'An earlier restore with --overwrite was cut off: files that it had not come to are kept as they are',
      0,
    );
  }
  if (dead.some(({ content }) => content.snapshotId !== own.snapshotId)) {
    report.note('An earlier restore of another snapshot was cut off: the files that it restored are kept', 0);
  }
}

function contentOf({ prefix, target, targetFd, snapshotId, path, conflicts }: RestoreScope): Content {
  return {
    prefixes: [prefix],
    targetBase64: Buffer.from(target).toString('base64'),
    targetInode: String(fstatSync(targetFd, { bigint: true }).ino),
    snapshotId,
    pathBase64: path.toString('base64'),
    conflicts,
    bootId: readBootId(),
    isEnded: false,
  };
}

/** Locked before it says anything: whoever reads it finds that the restore runs. */
function write(file: string, content: Content, system: Pick<SystemCalls, 'lockFile'> | null): number {
  const fd = openSync(file, 'wx', 0o600);
  try {
    if (system !== null) tryLock(fd, system);
    writeFileSync(fd, JSON.stringify(content));
    fsyncSync(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    rmSync(file, { force: true });
    throw error;
  }
}

/** Of no more than some kilobytes. Cut off in the middle, it is a record that nobody can read. */
function replaceText(fd: number, text: string): void {
  ftruncateSync(fd, 0);
  writeSync(fd, text, 0);
  fsyncSync(fd);
}

function findDead(directory: string, own: Content, system: Pick<SystemCalls, 'lockFile'>): DeadRecord[] {
  const found: DeadRecord[] = [];
  for (const name of readdirSync(directory)) {
    if (!FILE_NAME.test(name)) continue;
    const file = join(directory, name);
    const text = readText(file);
    const content = text === null ? null : parse(text);
    if (content?.targetBase64 !== own.targetBase64 || content.targetInode !== own.targetInode) continue;
    const fd = lockIfDead(file, system);
    if (fd !== null) found.push({ file, fd, content });
  }
  return found;
}

/** Null: its restore runs, has ended meanwhile, or another restore looks at it. */
function lockIfDead(file: string, system: Pick<SystemCalls, 'lockFile'>): number | null {
  let fd: number;
  try {
    fd = openSync(file, 'r+');
  } catch {
    return null;
  }
  const isThere = tryLock(fd, system) && fstatSync(fd).nlink > 0;
  if (isThere) return fd;
  closeSync(fd);
  return null;
}

/** False: somebody has it, or this file system knows no locks; then all restores count as running. */
function tryLock(fd: number, system: Pick<SystemCalls, 'lockFile'>): boolean {
  try {
    return system.lockFile(fd);
  } catch {
    return false;
  }
}

function isSameRestore(one: Content, other: Content): boolean {
  return one.snapshotId === other.snapshotId && one.pathBase64 === other.pathBase64;
}

/** Null when its restore has ended meanwhile, or it is another user's or cannot be read: it only helps, and no restore ends for it. */
function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function parse(text: string): Content | null {
  let content: Partial<Record<keyof Content, unknown>> | null;
  try {
    content = JSON.parse(text) as typeof content;
  } catch {
    return null;
  }
  if (content === null) return null;
  const { prefixes, targetBase64, targetInode, snapshotId, pathBase64, conflicts, bootId, isEnded } = content;
  if (!Array.isArray(prefixes) || !prefixes.every((prefix) => typeof prefix === 'string' && PREFIX.test(prefix))) {
    return null;
  }
  if (typeof targetBase64 !== 'string' || typeof targetInode !== 'string') return null;
  if (typeof snapshotId !== 'string' || typeof pathBase64 !== 'string') return null;
  if (conflicts !== 'refuse' && conflicts !== 'skip' && conflicts !== 'overwrite') return null;
  if (typeof isEnded !== 'boolean' || (bootId !== null && typeof bootId !== 'string')) return null;
  const names = prefixes as string[];
  return { prefixes: names, targetBase64, targetInode, snapshotId, pathBase64, conflicts, bootId, isEnded };
}
