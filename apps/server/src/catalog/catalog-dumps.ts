import { Inject, Injectable } from '@nestjs/common';
import { catalogDumpMadeMs, type CatalogHeader, openCatalogDump } from '#engine';
import { type Storage, STORAGE } from '../storage/storage';
import { CATALOG_PREFIX } from '../storage/storage-key';

/** A dump of the catalog in storage. */
export interface StoredDump {
  readonly key: string;
  readonly length: number;
  readonly madeMs: number;
}

/** The dumps that storage holds. */
@Injectable()
export class CatalogDumps {
  constructor(@Inject(STORAGE) private readonly storage: Storage) {}

  /** Oldest first. */
  async list(): Promise<StoredDump[]> {
    const dumps: StoredDump[] = [];
    for await (const { key, length } of this.storage.list(CATALOG_PREFIX)) {
      dumps.push({ key, length, madeMs: catalogDumpMadeMs(key) ?? 0 });
    }
    return dumps;
  }

  /** Reads all of it. Throws CorruptError, UnsupportedError, or what the storage says. */
  async verify(key: string): Promise<CatalogHeader> {
    const { header, records } = await openCatalogDump(await this.storage.stream(key), key);
    while ((await records.next()).done !== true);
    return header;
  }
}
