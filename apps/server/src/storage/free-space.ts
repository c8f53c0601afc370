import { mkdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Injectable } from '@nestjs/common';
import { LIMITS } from '#common';
import { ServerSettings } from '../config/server-settings';
import { DomainError } from '../http/domain-error';

export interface DiskSpace {
  /** For us: what is reserved for root is left out. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What the disks have left that packs and SQLite's database grow on. */
@Injectable()
export class FreeSpace {
  constructor(private readonly settings: ServerSettings) {}

  /** Of the disk with the least left; null when neither is on a disk of ours (S3 and PostgreSQL). `also`: more folders. */
  async least(also: readonly string[] = []): Promise<DiskSpace | null> {
    const { s3, storagePath, databaseUrl, databasePath } = this.settings;
    const paths = [
      ...(s3 === null ? [storagePath] : []),
      ...(databaseUrl === null ? [dirname(databasePath)] : []),
      ...also,
    ];
    const spaces = await Promise.all(paths.map((path) => this.look(path)));
    return spaces.reduce<DiskSpace | null>(
      (least, space) => (least === null || space.freeBytes < least.freeBytes ? space : least),
      null,
    );
  }

  /** Of the disk that packs lie on; null: they lie in a bucket. */
  async ofPacks(): Promise<DiskSpace | null> {
    const { s3, storagePath } = this.settings;
    return s3 === null ? this.look(storagePath) : null;
  }

  /**
   * Where packs lie there is no room for so many of the largest uploads beside MIN_FREE_BYTES. For one: backups are refused, or soon will be,
   * and deleting packs helps.
   */
  async isShortOfPacks(uploads = 1): Promise<boolean> {
    const packs = await this.ofPacks();
    return packs !== null && packs.freeBytes < this.settings.minFreeBytes + uploads * LIMITS.packBodyBytes;
  }

  /**
   * Throws `storage-full` when less than MIN_FREE_BYTES (or `keptBytes`) would be left, of the disks of the folders `also` too. Asked
   * before new packs, new runs and dumps only: what gives space back, and what reads, goes on in the rest.
   */
  async assertRoomFor(
    bytes: number,
    { also = [], keptBytes = this.settings.minFreeBytes }: { also?: readonly string[]; keptBytes?: number } = {},
  ): Promise<void> {
    const space = await this.least(also);
    const { minFreeBytes } = this.settings;
    if (space === null || space.freeBytes - bytes >= keptBytes) return;
    throw new DomainError(
      'storage-full',
      `The server's disk is full: ${space.freeBytes} bytes are free, and MIN_FREE_BYTES keeps ${keptBytes} of them. ` +
        'Nothing was stored. Free space on the disk, or let retention and reclaim give some back.',
      { details: { freeBytes: space.freeBytes, minFreeBytes } },
    );
  }

  protected async look(path: string): Promise<DiskSpace> {
    await mkdir(path, { recursive: true });
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }
}
