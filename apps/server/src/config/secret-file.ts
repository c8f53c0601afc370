import { randomBytes } from 'node:crypto';
import { chmod, link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from './make-folder';
import { reasonOf, StartError } from './start-error';

/**
 * The secret kept in `path` (mode 0600), made by `generate` when there is none. The file appears whole or not at all, and
 * survives a crash once this resolves. When several servers start at once on one directory, all get the same secret.
 * Throws StartError when it can be neither read nor kept.
 */
export async function loadOrCreateSecret(path: string, generate: () => string): Promise<string> {
  try {
    return await loadOrCreate(path, generate);
  } catch (error) {
    throw new StartError(
      `BACKUP_STORAGE_PATH: ${path} cannot be read or made (${reasonOf(error)}): its owner must be the user of this process, and its disk not full.`,
      { cause: error },
    );
  }
}

async function loadOrCreate(path: string, generate: () => string): Promise<string> {
  const existing = await readSecret(path);
  if (existing !== null) return existing;
  makeFolder(dirname(path));
  const secret = generate();
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    await writeSynced(temporary, `${secret}\n`);
    if (!(await publish(temporary, path))) return await getSecret(path);
    await syncDirectory(dirname(path));
    return secret;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function getSecret(path: string): Promise<string> {
  const secret = await readSecret(path);
  if (secret === null) throw new Error(`${path} was there a moment ago and is gone`);
  return secret;
}

async function readSecret(path: string): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
  // A copy or a restore may have opened it to others.
  if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
  return text.trim();
}

async function writeSynced(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Gives the finished file its name without replacing another; false when somebody was first. */
async function publish(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    if (!isErrno(error, 'EPERM') && !isErrno(error, 'ENOTSUP') && !isErrno(error, 'EOPNOTSUPP')) throw error;
    // File systems without hard links.
    await rename(temporary, path);
    return true;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isErrno(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
