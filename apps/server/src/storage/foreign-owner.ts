import { closeSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import type { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { REPOSITORY_KEY } from './storage-key';

const ROOT = 0;

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

type Places = Pick<ServerSettings, 's3' | 'databaseUrl' | 'storagePath' | 'databasePath'>;

/**
 * Keeps root off what another user's server works on: each folder and file that root made there would be root's alone, and the server
 * could neither write dumps nor see what it stored any more. Before anything is written. Throws StartError.
 *
 * Only root can do that harm: others may not write there. Where what root makes comes to belong to the same user as what is there
 * (root squash of NFS, mounts that give every file one owner), none is done.
 */
export function refuseForeignOwner(settings: Places, euid = process.geteuid?.()): void {
  if (euid !== ROOT) return;
  for (const { setting, path } of placesOf(settings)) {
    const owner = ownerOf(path);
    if (owner === null || owner.uid === ROOT) continue;
    const made = ownerOfNew(dirname(path));
    if (made !== null && made !== owner.uid) throw foreignOwner(setting, path, owner);
  }
}

function placesOf({ s3, databaseUrl, storagePath, databasePath }: Places): { setting: string; path: string }[] {
  return [
    ...(s3 === null ? [{ setting: 'BACKUP_STORAGE_PATH', path: resolve(storagePath, REPOSITORY_KEY) }] : []),
    ...(databaseUrl === null ? [{ setting: 'DATABASE_PATH', path: resolve(databasePath) }] : []),
  ];
}

/** Null: it is not there, or cannot be seen, not even by root. */
function ownerOf(path: string): Owner | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

/** Whose a new file in this folder is; null: this process can make none there, and so do no harm either. */
function ownerOfNew(folder: string): number | null {
  const probe = join(folder, `owner-probe-${randomUUID()}`);
  try {
    closeSync(openSync(probe, 'wx', 0o600));
    return statSync(probe).uid;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // On a full disk it is not known; what gives space back would make files there.
    return code === 'ENOSPC' || code === 'EDQUOT' ? ROOT : null;
  } finally {
    rmSync(probe, { force: true });
  }
}

function foreignOwner(setting: string, path: string, { uid, gid }: Owner): StartError {
  const name = nameOf(uid);
  const who = name === null ? `user ${uid}` : `user ${name} (${uid})`;
  const asOwner =
    name === null
      ? `setpriv --reuid=${uid} --regid=${gid} --clear-groups holdfast-server ...`
      : `runuser -u ${name} -- holdfast-server ...`;
  return new StartError(
    `${setting}: ${path} belongs to ${who}, and this is root: what root makes there the server of that user could not read. ` +
      `Run it as that user: "${asOwner}" (docs/operations/commands.md). If root is to work on it from now on, give it all to root ` +
      `(chown -R) while nothing works on it. Nothing was changed.`,
  );
}

/** Null when it is not in this machine's own list (a directory service, another machine's number). */
function nameOf(uid: number): string | null {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
    return lines.map((line) => line.split(':')).find((fields) => fields[2] === String(uid))?.[0] ?? null;
  } catch {
    return null;
  }
}
