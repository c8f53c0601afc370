import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { PageFields } from './page.dto';

/** A snapshot that shows something damaged. */
interface DamagedSnapshot {
  id: string;
  number: number;
  stampMs: number | null;
}

/** What of a task cannot be restored as long as nobody sends the bytes again. */
export interface DamagedTask {
  taskId: string;
  task: string;
  clientId: string;
  client: string;
  owner: string;
  files: number;
  versions: number;
  /** Files of the newest snapshot: the next run reads these again. */
  currentFiles: number;
  /** Newest first. */
  snapshots: DamagedSnapshot[];
}

/** Pack that is not as it should be beside its chunks. */
export interface FaultyPack {
  key: string;
  fault: string;
  readMs: number | null;
}

/** `GET /api/damage`: by right, one's own or all. */
export interface DamageAnswer {
  damagedChunks: number;
  tasks: DamagedTask[];
  /** For admins; at most 100. */
  packs: FaultyPack[] | null;
}

/** Of `GET /api/tasks/:id/damage` */
export class DamagedFilesQuery extends PageFields {
  /** `next` of the page before. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) cursor?: number;
}

export interface DamagedFile {
  pathBase64: string;
  /** As text, for people. */
  path: string;
  versions: number;
  /** The newest snapshot shows it. */
  isCurrent: boolean;
  /** Oldest and newest snapshot that show a damaged version; null: none does any more. */
  oldestSnapshotId: string | null;
  newestSnapshotId: string | null;
}

export interface DamagedFilesAnswer {
  files: DamagedFile[];
  next: number | null;
}
