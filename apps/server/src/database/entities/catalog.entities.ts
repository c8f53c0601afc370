import { key, int, bigint, flag, bytes, nullable, primary, type TableSpec } from './table';

/** One path of a task. Its number stands for it in file_versions, and is never reused. */
export class PathRow {
  no!: number;
  task_no!: number;
  /** 0: none, for the root. */
  parent_no!: number;
  /** Empty for the root. */
  name!: Buffer;
}

export const pathsTable: TableSpec<PathRow> = {
  target: PathRow,
  name: 'paths',
  columns: { no: key, task_no: int, parent_no: bigint, name: bytes },
  // A directory's names in byte order: listing and walking read this index.
  indices: [{ name: 'paths_child', columns: ['task_no', 'parent_no', 'name'], isUnique: true }],
};

/** One path as it was from run `first_run` until before run `last_run` (null: not superseded). */
export class FileVersionRow {
  task_no!: number;
  path_no!: number;
  first_run!: number;
  last_run!: number | null;
  /** Code of the entry's kind, 1..6. */
  kind!: number;
  size!: number;
  /** chunks.no of the content; null: no bytes. */
  content_no!: number | null;
  /** chunks.no of xattrs that are too large for the entry. */
  xattrs_no!: number | null;
  /** Run since which the content is the same (a chmod makes a version, not a content). */
  content_since!: number;
  /** Run since which the path exists without a gap. */
  exists_since!: number;
  /** Code of why it ended: null replaced (or not at all), 1 deleted, 2 deselected. */
  end_reason!: number | null;
  /** encodeEntry bytes */
  entry!: Buffer;
  /** encodeDetection bytes: no part of a version's identity. */
  detect!: Buffer;
}

export const fileVersionsTable: TableSpec<FileVersionRow> = {
  target: FileVersionRow,
  name: 'file_versions',
  columns: {
    task_no: primary(int),
    path_no: primary(bigint),
    first_run: primary(int),
    last_run: nullable(int),
    kind: flag,
    size: bigint,
    content_no: nullable(bigint),
    xattrs_no: nullable(bigint),
    content_since: int,
    exists_since: int,
    end_reason: nullable(flag),
    entry: bytes,
    detect: bytes,
  },
  // No index on (task_no, first_run): SQLite's planner would take it for listings and read everything (dependencies.md).
  isClustered: true,
};
