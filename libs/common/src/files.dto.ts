import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, IsUUID, Matches, Max, MaxLength, Min } from 'class-validator';

/** A path in an address: as text, or for names that are no text as base64url of its bytes. Neither: the root. */
class PathFields {
  @IsOptional() @IsString() @MaxLength(8_192) path?: string;
  @IsOptional() @Matches(/^[A-Za-z0-9_-]{1,16384}$/) pathBase64?: string;
}

/** `GET /api/clients/:id/files` */
export class FilesQuery extends PathFields {
  /** Id of the snapshot. Left out: the client's newest. */
  @IsOptional() @IsUUID() snapshot?: string;
  /** `next` of the page before. */
  @IsOptional() @Matches(/^[A-Za-z0-9_-]{1,2048}$/) cursor?: string;
  /** As in PageFields. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(1_000) limit?: number;
}

/** `GET /api/clients/:id/files/history` */
export class FileHistoryQuery extends PathFields {}

export interface FileItem {
  /** As text, for people; bytes that are none are shown as U+FFFD. */
  name: string;
  path: string;
  /** base64url of the path's bytes. */
  pathBase64: string;
  kind: string;
  size: number;
  mtimeMs: number;
  mode: number;
  linkTarget: string | null;
  /** `GET /api/clients/:id/download/<version>`; null: no file. */
  version: string | null;
}

export interface FilesAnswer {
  snapshotId: string;
  /** What lies in the directory, by name; the one entry when the path is no directory. */
  files: FileItem[];
  next: string | null;
}

export interface FileVersionItem extends FileItem {
  task: string;
  snapshotId: string;
  firstSeenMs: number;
  endedMs: number | null;
  endReason: 'replaced' | 'deleted' | 'deselected' | null;
}

export interface FileHistoryAnswer {
  /** Newest first, over all tasks of the client. */
  versions: FileVersionItem[];
}
