import { copyFile, link, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DomainError } from '../http/domain-error';
import type { StorageBody } from './storage';
import { errnoOf } from './storage-error';

/** Makes the names in a directory (created, renamed, removed) survive a crash. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes a directory and its missing parents, each synced into the directory above it. Idempotent, also when two
 * callers race: a directory that somebody else just made is synced as well, because he may not have got so far.
 */
export async function makeDirectoryDurably(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(directory) === directory) throw error;
    await makeDirectoryDurably(dirname(directory));
    // Once more, and not until it is there: below /proc the system says ENOENT for ever.
    await makeDirectory(directory);
  }
  await syncDirectory(dirname(directory));
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** Writes the body to `path`, which must not exist, and syncs it; on failure nothing is left at `path`. */
export async function writeBodyDurably(path: string, body: StorageBody): Promise<void> {
  try {
    if ('bytes' in body) {
      await writeBytes(path, body.bytes);
    } else {
      await linkOrCopy(body.file, path);
      await syncFile(path, body.length);
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

async function writeBytes(path: string, bytes: Buffer): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** On one file system a link is free; the source stays, so that a put can be made again. */
async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'EMLINK')
      throw error;
    await copyFile(source, target);
  }
}

async function syncFile(path: string, length: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    const { size } = await handle.stat();
    if (size !== length)
      throw new DomainError('invalid', `A file of ${size} bytes was to be stored as ${length} bytes`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
