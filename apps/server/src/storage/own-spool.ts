import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../config/make-folder';
import { unusableFolder } from '../config/start-error';

const NAME = /^spool-/;
const SIGN_OF_LIFE_MS = 60_000;
/** A spool without a sign of life for so long is a dead server's. */
const DEAD_AFTER_MS = 15 * 60_000;

/**
 * A spool of this process alone below `directory`, which several servers may share, those in other containers and on other
 * machines too: so no process number tells whether a spool's owner lives, but a sign of life, the directory's time, which every
 * server sets once a minute. Spools of the dead go at the start, and later when their time has come.
 * Throws StartError.
 */
export async function openOwnSpool(directory: string): Promise<string> {
  const own = await makeOwn(directory);
  await removeDeadSpools(directory, own);
  // Never holds up the end of the process. What fails is tried again a minute later.
  setInterval(() => void beat(directory, own).catch(() => undefined), SIGN_OF_LIFE_MS).unref();
  return own;
}

async function makeOwn(directory: string): Promise<string> {
  try {
    makeFolder(directory);
    return await mkdtemp(join(directory, 'spool-'));
  } catch (error) {
    throw unusableFolder('SPOOL_PATH', directory, error);
  }
}

async function beat(directory: string, own: string): Promise<void> {
  await giveSignOfLife(own);
  await removeDeadSpools(directory, own);
}

/** Sets the directory's time, to the file system's own now, by a change in it. Makes it again when somebody took it away. */
async function giveSignOfLife(own: string): Promise<void> {
  // Not what lies above it: where that is gone, the disk may be.
  await mkdir(own, { mode: 0o700 }).catch(ignoreExisting);
  const sign = join(own, `alive-${randomUUID()}`);
  await writeFile(sign, '');
  await rm(sign);
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

/** Takes away the spools beside `own` that are much older than it; times of one file system are compared, no clocks. */
async function removeDeadSpools(directory: string, own: string): Promise<void> {
  const now = (await stat(own)).mtimeMs;
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (!NAME.test(name) || path === own) continue;
    // One that is gone meanwhile was somebody else's to remove.
    const sign = await stat(path).catch(() => null);
    if (sign !== null && now - sign.mtimeMs > DEAD_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}
