import { Injectable } from '@nestjs/common';
import type { RetentionPath, RetentionVersion } from '#engine';
import { DIRECTORY, END_REASON_CODES } from '../backups/catalog-codes';
import { Database } from '../database/database';
import { RetentionRepository } from './retention.repository';

/** A version with what its removal would give back. */
export interface SizedVersion extends RetentionVersion {
  readonly size: number;
  readonly contentNo: number | null;
  readonly xattrsNo: number | null;
}

export type SizedPath = RetentionPath<SizedVersion>;

interface Row {
  readonly pathNo: number;
  readonly parentNo: number;
  readonly firstRun: number;
  readonly lastRun: number | null;
  readonly kind: number;
  readonly size: number;
  readonly contentNo: number | null;
  readonly xattrsNo: number | null;
  readonly contentSince: number;
  readonly existsSince: number;
  readonly endReason: number | null;
}

const SLICE_ROWS = 2_000;

/** Reads a task's versions in the order in which RetentionDecider takes them, some thousand at a time. */
@Injectable()
export class VersionsDescending {
  constructor(
    private readonly database: Database,
    private readonly repository: RetentionRepository,
  ) {}

  async *paths(taskNo: number, headRun: number): AsyncGenerator<SizedPath[], void, undefined> {
    let upTo = await this.database.read((sql) => this.repository.lastPathNo(sql, taskNo));
    while (upTo > 0) {
      const { after, rows } = await this.database.read(async (sql) => {
        const start = await this.repository.sliceBelow(sql, taskNo, { upTo, rows: SLICE_ROWS });
        const found = await sql.all<Row>(
          `select v.path_no as "pathNo", p.parent_no as "parentNo", v.first_run as "firstRun", v.last_run as "lastRun",
             v.kind, v.size, v.content_no as "contentNo", v.xattrs_no as "xattrsNo",
             v.content_since as "contentSince", v.exists_since as "existsSince", v.end_reason as "endReason"
           from file_versions v join paths p on p.no = v.path_no
           where v.task_no = ? and v.path_no > ? and v.path_no <= ? and +v.first_run <= ?
           order by v.path_no desc, v.first_run`,
          [taskNo, start, upTo, headRun],
        );
        return { after: start, rows: found };
      });
      yield groupedPaths(rows);
      upTo = after;
    }
  }
}

function groupedPaths(rows: readonly Row[]): SizedPath[] {
  const paths = new Map<number, { pathNo: number; parentNo: number; versions: SizedVersion[] }>();
  for (const { pathNo, parentNo, kind, endReason, ...version } of rows) {
    const path = paths.get(pathNo) ?? { pathNo, parentNo, versions: [] };
    path.versions.push({ ...version, isDirectory: kind === DIRECTORY, endReason: reasonOf(endReason) });
    paths.set(pathNo, path);
  }
  return [...paths.values()];
}

function reasonOf(code: number | null): RetentionVersion['endReason'] {
  if (code === END_REASON_CODES.deleted) return 'deleted';
  return code === END_REASON_CODES.deselected ? 'deselected' : null;
}
