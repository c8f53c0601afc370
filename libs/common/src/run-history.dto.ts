import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min, Matches } from 'class-validator';
import { PageFields } from './page.dto';
import type { RunState } from './run.dto';
import type { CommandOutputDetail, RunProgress, RunTrigger } from './run-report.dto';

/** Of `GET /api/clients/me/runs` */
export class RunsQuery extends PageFields {
  /** `next` of the page before: the id of its last run. */
  @IsOptional()
  @Matches(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  cursor?: string;
}

/** One run, whatever became of it. Figures of the snapshot (files to logicalBytes) are 0 until a run is committed. */
export interface RunSummary {
  /** Also the id of the snapshot that the run made, if it made one. */
  id: string;
  taskId: string;
  task: string;
  number: number;
  state: RunState;
  startedMs: number;
  /** Null while it goes on. */
  endedMs: number | null;
  /** Of the snapshot; null for a run that made none. */
  stampMs: number | null;
  error: string | null;
  platform: string;
  files: number;
  directories: number;
  logicalBytes: number;
  readBytes: number;
  newBytes: number;
  storedBytes: number;
  unsavedCount: number;
  /** Null: of a run from before there were triggers. */
  trigger: RunTrigger | null;
  /** The due time that it was for; of a missed run the first of them. */
  dueMs: number | null;
  /** When somebody told it to run. */
  queuedMs: number | null;
  /** Due times that a missed run stands for. */
  missedCount: number | null;
  isCancelRequested: boolean;
  /** As the agent told last; what a run that failed had done till then. */
  progress: RunProgress | null;
}

/** `GET /api/clients/:id/runs/:runId`, for people. */
export interface RunDetail extends RunSummary {
  outputs: CommandOutputDetail[];
}

export interface RunsAnswer {
  /** Newest first. */
  runs: RunSummary[];
  /** `cursor` of the next page; null: this is the last one. */
  next: string | null;
}

/** Of `GET /api/runs/:id/problems` */
export class RunProblemsQuery extends PageFields {
  /** `next` of the page before. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(2_147_483_647)
  cursor?: number;
}

/** A path that a run did not save, or a note about one. */
export interface RunProblem {
  pathBase64: string;
  kind: 'unsaved' | 'note';
  reason: string;
}

export interface RunProblemsAnswer {
  /** In the order in which the agent told them; at most LIMITS.problemsPerRun are kept of a run. */
  problems: RunProblem[];
  next: number | null;
}
