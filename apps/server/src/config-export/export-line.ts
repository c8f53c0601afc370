import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';
import { ConfigExportsRepository } from './config-exports.repository';

/** How far the line of this database's config exports goes, for who compares it with storage. */
@Injectable()
export class ExportLine {
  constructor(private readonly exports: ConfigExportsRepository) {}

  /** Number of the newest that it made, or lives with; 0: none. */
  async newest(sql: Sql): Promise<number> {
    return (await this.exports.load(sql)).number;
  }

  /** Exports up to this number that it did not make are left where they are, and hold its own back no more. */
  accept(tx: Sql, number: number): Promise<void> {
    return this.exports.accept(tx, number);
  }
}
