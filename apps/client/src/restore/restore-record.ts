import { fstatSync, opendirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../system/error-code';
import { identifyProcess, isProcessAlive, type ProcessIdentity } from '../state/process-identity';
import { syncDirectory } from '../state/durable-write';
import { childOf } from './directory-tree';
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
}

interface Content extends ProcessIdentity {
  prefix: string;
  targetBase64: string;
  targetInode: string;
  snapshotId: string;
  pathBase64: string;
}

interface DeadRecord {
  file: string;
  content: Content;
}

const FILE_NAME = /^restore-[0-9a-f]+\.json$/;
const PREFIX = /^\.holdfast-([0-9a-f]{18})-$/;

/**
 * A file in the agent's state that says which temporary names a restore uses, from before it writes the first until it has ended and
 * removed what was not whole. One whose process is dead tells the next restore into the same target (by path and inode) whose
 * temporary files stand there, so that it can remove them, and no others.
 */
export class RestoreRecord {
  private hasMissed = false;

  private constructor(
    private readonly file: string,
    private readonly own: Content,
    private readonly dead: readonly DeadRecord[],
    private readonly report: Pick<Notes, 'note'>,
  ) {}

  /** `directory` exists. Records that cannot be read are left alone: one that was cut off belongs to a restore that wrote nothing. */
  static begin(directory: string, scope: RestoreScope, report: Pick<Notes, 'note'>): RestoreRecord {
    const { prefix, target, targetFd, snapshotId, path } = scope;
    const name = PREFIX.exec(prefix)?.[1];
    if (name === undefined) throw new Error(`no prefix of temporary files: ${prefix}`);
    const own: Content = {
      ...identifyProcess(process.pid),
      prefix,
      targetBase64: Buffer.from(target).toString('base64'),
      targetInode: String(fstatSync(targetFd, { bigint: true }).ino),
      snapshotId,
      pathBase64: path.toString('base64'),
    };
    const dead = findDead(directory, own);
    const file = join(directory, `restore-${name}.json`);
    writeFileSync(file, JSON.stringify(own), { flag: 'wx', mode: 0o600, flush: true });
    syncDirectory(directory);
    return new RestoreRecord(file, own, dead, report);
  }

  /** Removes from an open directory of the target what dead restores left there. What cannot be removed stays, and is tried again. */
  clean(directoryFd: number): void {
    if (this.dead.length === 0) return;
    try {
      for (const name of this.leftIn(directoryFd)) {
        unlinkSync(childOf(directoryFd, name));
        this.report.note('Temporary files of a restore that was killed were removed');
      }
    } catch {
      this.hasMissed = true;
      this.report.note('Temporary files of a restore that was killed could not be removed');
    }
  }

  /**
   * The restore has removed what it did not finish. `wasEverywhere`: it met all directories that it was to restore, so nothing is
   * left of dead ones that were to restore the same.
   */
  end(wasEverywhere: boolean): void {
    rmSync(this.file, { force: true });
    if (!wasEverywhere || this.hasMissed) return;
    for (const { file, content } of this.dead) {
      const isSame = content.snapshotId === this.own.snapshotId && content.pathBase64 === this.own.pathBase64;
      if (isSame) rmSync(file, { force: true });
    }
  }

  private leftIn(directoryFd: number): Buffer[] {
    const names: Buffer[] = [];
    // Names may be any bytes, prefixes are ASCII.
    const opened = opendirSync(`/proc/self/fd/${directoryFd}`, { encoding: 'latin1' });
    try {
      for (let item = opened.readSync(); item !== null; item = opened.readSync()) {
        const { name } = item;
        if (this.dead.some(({ content }) => name.startsWith(content.prefix))) names.push(Buffer.from(name, 'latin1'));
      }
    } finally {
      opened.closeSync();
    }
    return names;
  }
}

function findDead(directory: string, own: Content): DeadRecord[] {
  const found: DeadRecord[] = [];
  for (const name of readdirSync(directory)) {
    if (!FILE_NAME.test(name)) continue;
    const file = join(directory, name);
    const text = readText(file);
    const content = text === null ? null : parse(text);
    if (content === null || isProcessAlive(content)) continue;
    const isHere = content.targetBase64 === own.targetBase64 && content.targetInode === own.targetInode;
    if (isHere) found.push({ file, content });
  }
  return found;
}

/** Null when its restore ended meanwhile, or when it is another user's, whose files we could not remove either. */
function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes(errorCode(error))) return null;
    throw error;
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
  const { pid, startedAt, prefix, targetBase64, targetInode, snapshotId, pathBase64 } = content;
  const isProcess = typeof pid === 'number' && (startedAt === null || typeof startedAt === 'string');
  if (!isProcess || typeof prefix !== 'string' || !PREFIX.test(prefix)) return null;
  if (typeof targetBase64 !== 'string' || typeof targetInode !== 'string') return null;
  if (typeof snapshotId !== 'string' || typeof pathBase64 !== 'string') return null;
  return { pid, startedAt, prefix, targetBase64, targetInode, snapshotId, pathBase64 };
}
