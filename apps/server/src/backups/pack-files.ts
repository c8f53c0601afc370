import { Inject, Injectable } from '@nestjs/common';
import { type ByteRange, type Storage, STORAGE } from '../storage/storage';
import { BlockChecks } from './block-checks';
import { IngestSpool, type PackFile } from './ingest-spool';

/** Packs as files: while they come in on local disk, then in storage. */
@Injectable()
export class PackFiles {
  constructor(
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly checks: BlockChecks,
  ) {}

  spool(): Promise<IngestSpool> {
    return IngestSpool.create(this.storage.spoolDir, this.checks);
  }

  put(key: string, { file, length }: Pick<PackFile, 'file' | 'length'>): Promise<void> {
    return this.storage.put(key, { file, length });
  }

  get(key: string, range: ByteRange): Promise<Buffer> {
    return this.storage.get(key, range);
  }
}
