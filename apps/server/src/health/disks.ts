import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Injectable } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';

export interface DiskSpace {
  readonly folder: 'storage' | 'database' | 'spool';
  readonly freeBytes: number;
}

/** The disks that the server writes to. */
@Injectable()
export class Disks {
  private readonly folders: readonly (readonly [DiskSpace['folder'], string])[];

  constructor({ s3, storagePath, spoolPath, databaseUrl, databasePath }: ServerSettings) {
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
