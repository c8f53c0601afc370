import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Injectable } from '@nestjs/common';
import { type HealthCheck, LIMITS } from '#common';
import { ServerSettings } from '../config/server-settings';

export interface DiskSpace {
  readonly folder: 'storage' | 'database' | 'spool';
  readonly freeBytes: number;
}

/** Even what works in the reserve of MIN_FREE_BYTES soon cannot any more. */
const FULL_BYTES = 64 * 1024 * 1024;
const NEARLY_FULL_BYTES = 2 * 1024 * 1024 * 1024;

/** Pure. While backups are refused, restores and reclaim go on: that is a warning, for who is not ready is sent no requests. */
export function judgeDisks(space: readonly DiskSpace[], uploadBytes: number): HealthCheck {
  const below = (limit: number): string =>
    space.flatMap(({ folder, freeBytes }) => (freeBytes < limit ? [folder] : [])).join(', ');
  const [full, refused, nearly] = [below(FULL_BYTES), below(uploadBytes), below(NEARLY_FULL_BYTES)];
  if (full !== '') return { status: 'failed', detail: `hardly any space is left for: ${full}` };
  if (refused !== '') return { status: 'warning', detail: `too little space for new backups is left for: ${refused}` };
  if (nearly !== '') return { status: 'warning', detail: `space runs out for: ${nearly}` };
  return { status: 'ok' };
}

/** The disks that the server writes to. */
@Injectable()
export class Disks {
  /** With less the largest upload is refused. */
  readonly uploadBytes: number;
  private readonly folders: readonly (readonly [DiskSpace['folder'], string])[];

  constructor({ s3, storagePath, spoolPath, databaseUrl, databasePath, minFreeBytes }: ServerSettings) {
    this.uploadBytes = minFreeBytes + LIMITS.packBodyBytes;
    this.folders = [
      s3 === null ? ['storage', storagePath] : ['spool', spoolPath],
      ...(databaseUrl === null ? [['database', dirname(databasePath)] as const] : []),
    ];
  }

  /** Bytes that this account may still write, by folder. Rejects when a folder cannot be asked. */
  space(): Promise<DiskSpace[]> {
    return Promise.all(
      this.folders.map(async ([folder, path]) => {
        const { bavail, bsize } = await statfs(path);
        return { folder, freeBytes: bavail * bsize };
      }),
    );
  }
}
