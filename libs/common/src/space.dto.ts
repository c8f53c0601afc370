import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';

/** What is stored for somebody, in bytes; each counted as if he were alone. */
export interface KeptSums {
  /** All file versions that are kept, each in full. */
  logicalBytes: number;
  /** Their contents, each chunk once. */
  uniqueBytes: number;
  /** What these chunks take in storage; of a user, and of all: what lies there for him, that which comes back included. */
  storedBytes: number;
}

/** Of a user, and of all. */
export interface SpaceSums extends KeptSums {
  /** What nothing refers to any more: comes back by reclaim. Of a user: what counts for him, wherever it lies. */
  reclaimableBytes: number;
}

export interface SpaceForecast {
  /** How much more is stored each day, by the days before. */
  bytesPerDay: number;
  /** What may be stored at most: the quota, or what the disk has room for. Null: no end. */
  limitBytes: number | null;
  /** When that is reached, ms; null: never, as it goes. */
  fullAtMs: number | null;
  /** Days that this is reckoned from. */
  days: number;
}

export interface UserSpace extends SpaceSums {
  id: string;
  username: string;
  quotaBytes: number | null;
  /** Of the quota; null: no quota, or fewer than two days are known. */
  forecast: SpaceForecast | null;
}

export interface ClientSpace extends KeptSums {
  id: string;
  name: string;
  userId: string;
}

export interface TaskSpace extends KeptSums {
  id: string;
  name: string;
  clientId: string;
}

export interface SpaceDay extends KeptSums {
  /** Of a user, and of all; of a client or task it is not there. */
  reclaimableBytes?: number;
  /** 2026-11-27, in the server's zone. */
  day: string;
}

/** Of `GET /api/space`; a `user` finds his own alone. */
export interface SpaceAnswer {
  /** When the figures were reckoned, ms; what runs added since is added. Null: not yet (the job `space`). */
  atMs: number | null;
  disk: { freeBytes: number; totalBytes: number } | null;
  /** Of everything, as it lies in storage; of a `user`: his own. */
  total: SpaceSums;
  /** Null: fewer than two days are known. */
  forecast: SpaceForecast | null;
  users: UserSpace[];
  clients: ClientSpace[];
  tasks: TaskSpace[];
}

const SPACE_LEVELS = ['all', 'user', 'client', 'task'] as const;
export type SpaceLevel = (typeof SPACE_LEVELS)[number];

/** Of `GET /api/space/history` */
export class SpaceHistoryQuery {
  /** Whose days; `all`, the default, is everything, of a `user`: his own. */
  @IsOptional() @IsIn(SPACE_LEVELS) of?: SpaceLevel;
  /** Unless of all. */
  @IsOptional() @IsUUID() id?: string;
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(400) days?: number;
}

export interface SpaceHistoryAnswer {
  /** Oldest first, one a day; days of which nothing is known are left out. */
  days: SpaceDay[];
}
