import { Injectable } from '@nestjs/common';
import { slices } from '../database/sql';
import { Database } from '../database/database';

/** Versions by task number: `path number -> first runs`. */
export type RemovedVersions = ReadonlyMap<number, ReadonlyMap<number, readonly number[]>>;

/** Bits by chunk number. */
class Bits {
  private bits = new Uint8Array(1024);

  add(no: number): void {
    const at = Math.floor(no / 8);
    if (at >= this.bits.length) {
      const grown = new Uint8Array(Math.max(at + 1, this.bits.length * 2));
      grown.set(this.bits);
      this.bits = grown;
    }
    this.bits[at] = (this.bits[at] ?? 0) | (1 << (no % 8));
  }

  has(no: number): boolean {
    return ((this.bits[Math.floor(no / 8)] ?? 0) & (1 << (no % 8))) !== 0;
  }
}

interface VersionRow {
  readonly taskNo: number;
  readonly pathNo: number;
  readonly firstRun: number;
  readonly contentNo: number | null;
  readonly xattrsNo: number | null;
}

const PAGE_ROWS = 5_000;
const NO = [{ name: 'no', type: 'int' as const }];

/** What storage would give back if some versions were gone: chunks that only they refer to. One bit a chunk in memory. */
@Injectable()
export class FreedBytes {
  constructor(private readonly database: Database) {}

  /** In plain bytes: a chunk's share of a compressed block is not known, so less may come back. */
  async without(removed: RemovedVersions): Promise<number> {
    if (removed.size === 0) return 0;
    const kept = new Bits();
    const candidates = new Set<number>();
    for await (const { taskNo, pathNo, firstRun, contentNo, xattrsNo } of this.versions()) {
      const isRemoved = removed.get(taskNo)?.get(pathNo)?.includes(firstRun) === true;
      for (const no of [contentNo, xattrsNo]) {
        if (no === null) continue;
        if (isRemoved) candidates.add(no);
        else kept.add(no);
      }
    }
    await this.descend(kept);
    return this.bytesBelow(candidates, kept);
  }

  private async *versions(): AsyncGenerator<VersionRow, void, undefined> {
    for (let last: VersionRow | undefined = undefined, isOver = false; !isOver;) {
      const place: VersionRow | undefined = last;
      const rows: VersionRow[] = await this.database.read((sql) =>
        sql.all<VersionRow>(
          `select task_no as "taskNo", path_no as "pathNo", first_run as "firstRun", content_no as "contentNo",
             xattrs_no as "xattrsNo"
           from file_versions where (task_no, path_no, first_run) > (?, ?, ?)
           order by task_no, path_no, first_run limit ?`,
          [place?.taskNo ?? 0, place?.pathNo ?? 0, place?.firstRun ?? 0, PAGE_ROWS],
        ),
      );
      yield* rows;
      last = rows.at(-1);
      isOver = rows.length < PAGE_ROWS;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Marks what marked lists name, level by level. */
  private async descend(kept: Bits): Promise<void> {
    const heights = await this.database.read((sql) =>
      sql.get<{ top: number | null }>('select max(height) as top from chunks'),
    );
    for (let height = heights?.top ?? 0; height > 0; height -= 1) {
      for (let after = 0, isOver = false; !isOver;) {
        const rows = await this.database.read((sql) =>
          sql.all<{ no: number }>('select no from chunks where height = ? and no > ? order by no limit ?', [
            height,
            after,
            PAGE_ROWS,
          ]),
        );
        const lists = rows.filter(({ no }) => kept.has(no)).map(({ no }) => no);
        for await (const slice of slices(lists, 64)) {
          const children = await this.database.read((sql) =>
            sql.allWith<{ no: number }>(
              { columns: NO, rows: slice.map((no) => [no]) },
              'select r.child_no as no from input cross join list_refs r where r.list_no = input.no',
            ),
          );
          for (const { no } of children) kept.add(no);
        }
        after = rows.at(-1)?.no ?? after;
        isOver = rows.length < PAGE_ROWS;
      }
    }
  }

  private async bytesBelow(candidates: ReadonlySet<number>, kept: Bits): Promise<number> {
    const seen = new Bits();
    let bytes = 0;
    for (let level = [...candidates]; level.length > 0;) {
      const below: number[] = [];
      const open = level.filter((no) => !kept.has(no) && !seen.has(no));
      for (const no of open) seen.add(no);
      for await (const slice of slices(open)) {
        const rows = await this.database.read((sql) =>
          sql.allWith<{ no: number; height: number; bytes: number }>(
            { columns: NO, rows: slice.map((no) => [no]) },
            `select c.no, c.height, c.chunk_length as bytes from input cross join chunks c where c.no = input.no`,
          ),
        );
        bytes += rows.reduce((sum, row) => sum + row.bytes, 0);
        const lists = rows.filter(({ height }) => height > 0).map(({ no }) => [no]);
        const children = await this.database.read((sql) =>
          sql.allWith<{ no: number }>(
            { columns: NO, rows: lists },
            'select r.child_no as no from input cross join list_refs r where r.list_no = input.no',
          ),
        );
        for (const { no } of children) below.push(no);
      }
      level = below;
    }
    return bytes;
  }
}
