import type { RetentionBounds } from '#engine';
import { DIRECTORY, END_REASON_CODES } from '../backups/catalog-codes';
import type { InputRows, Value } from '../database/sql';

/** Paths numbered `after` < no <= `upTo`; all, or those that a run touched. */
export interface PathSlice {
  readonly taskNo: number;
  readonly after: number;
  readonly upTo: number;
  readonly touchedBy: number | null;
}

/** The runs whose snapshots keep what they show. 0 is no run: a table of no rows reads badly in both dialects. */
export function keepingRuns(bounds: RetentionBounds): InputRows {
  const runs = new Set([0, ...(bounds.keptRuns ?? []), ...bounds.pinnedRuns]);
  return { columns: [{ name: 'run', type: 'int' }], rows: [...runs].map((run) => [run]) };
}

/**
 * Table expressions `b` (the bounds) and `r` (versions of a slice with what the decision looks at), after `input` (the runs
 * that keep). The same rules as RetentionDecider, in sets; tested against it.
 */
export function candidateTables(
  slice: PathSlice,
  bounds: RetentionBounds,
): { readonly sql: string; readonly params: Value[] } {
  const touched =
    slice.touchedBy === null
      ? ''
      : `and f.path_no in (select t.path_no from file_versions t where t.task_no = ? and t.path_no > ? and t.path_no <= ?
           and (t.first_run = ? or t.last_run = ?))`;
  const range = [slice.taskNo, slice.after, slice.upTo];
  return {
    sql: `, b(head, unprotected, deleted, contents, expired, by_snapshots) as (
        select cast(? as bigint), cast(? as bigint), cast(? as bigint), cast(? as bigint), cast(? as bigint), cast(? as bigint)
      ), v as (
        select f.path_no, f.first_run, f.kind, f.content_since, f.exists_since, f.size,
          case when f.last_run <= b.head then f.last_run end as ended,
          case when f.last_run <= b.head then f.end_reason end as end_reason
        from b cross join file_versions f
        where f.task_no = ? and f.path_no > ? and f.path_no <= ? and +f.first_run <= b.head ${touched}
      ), w as (
        select v.*, row_number() over newest as age, lead(v.first_run) over oldest as next_run,
          lead(v.kind) over oldest as next_kind, first_value(v.ended) over newest as path_ended,
          first_value(v.end_reason) over newest as path_reason,
          dense_rank() over (partition by v.path_no, case when v.kind = ${DIRECTORY} then 1 else 0 end
            order by v.content_since desc) as content_rank
        from v
        window newest as (partition by v.path_no order by v.first_run desc),
          oldest as (partition by v.path_no order by v.first_run)
      ), r as (
        select w.*, case when w.kind = ${DIRECTORY} and not (coalesce(w.next_kind, 0) = ${DIRECTORY} and w.next_run = w.ended)
            then 1 else 0 end as is_end,
          case when w.age = 1
              then case when w.path_ended <= b.deleted and w.path_reason = ${END_REASON_CODES.deleted} then 'deleted' end
            when b.by_snapshots = 1 then 'snapshots'
            when w.path_ended <= b.deleted and w.path_reason = ${END_REASON_CODES.deleted} then 'deleted'
            when w.kind <> ${DIRECTORY} and w.content_rank > b.contents then 'versions'
            when w.ended <= b.expired then 'days' end as reason
        from w cross join b
        where w.ended is not null and w.ended <= b.unprotected
      ), c as (
        select * from r where r.reason is not null
          and not exists (select 1 from input k where k.run >= r.first_run and k.run < r.ended)
      ) `,
    params: [
      bounds.headRun,
      bounds.unprotectedUpTo,
      bounds.deletedUpTo,
      bounds.contents,
      bounds.expiredUpTo,
      bounds.keptRuns === null ? 0 : 1,
      ...range,
      ...(slice.touchedBy === null ? [] : [...range, slice.touchedBy, slice.touchedBy]),
    ],
  };
}
