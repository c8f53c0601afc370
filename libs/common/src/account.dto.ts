import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { PageFields } from './page.dto';
import { ROLES, type Role } from './identity.dto';
import { NAME } from './task.dto';

/** What an API token may be used for; no scope holds another. `commands` must be named on its own. */
const TOKEN_SCOPES = ['read', 'files', 'run', 'enrol', 'change', 'commands', 'users', 'audit'] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** `GET /api/users`, `/api/users/:id` (`me` for oneself). */
export interface UserDetail {
  id: string;
  username: string;
  role: Role;
  state: 'active' | 'disabled';
  retention_days: number | null;
  retention_versions: number | null;
  /** Most bytes that may be stored for the user; null: no limit. */
  quota_bytes: number | null;
  createdMs: number;
  deletedMs: number | null;
  /** A deleted user can be brought back until then. */
  restorableUntilMs: number | null;
}

export interface UsersAnswer {
  users: UserDetail[];
}

/** `PATCH /api/users/:id` (admin) */
export class ChangeUserRequest {
  @IsOptional() @Matches(NAME) username?: string;
  @IsOptional() @IsIn(ROLES) role?: Role;
  /** Alias: true means role admin, false role user. */
  @IsOptional() @IsBoolean() is_admin?: boolean;
  @IsOptional() @IsIn(['active', 'disabled']) state?: 'active' | 'disabled';
  /** 0: no limit. null: none set. */
  @IsOptional() @IsInt() @Min(0) @Max(36_500) retention_days?: number | null;
  @IsOptional() @IsInt() @Min(0) @Max(1_000_000) retention_versions?: number | null;
  /** null: no limit. */
  @IsOptional() @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) quota_bytes?: number | null;
}

/** `POST /api/users/me/password`: ends all sign-ins but the one that the answer's token is for. */
export class ChangePasswordRequest {
  @IsString() @Length(1, 1_024) current_password!: string;
  @IsString() @Length(8, 1_024) new_password!: string;
}

/** `POST /api/users/:id/password` (admin) */
export class SetPasswordRequest {
  @IsString() @Length(8, 1_024) password!: string;
}

/** `POST /api/users/me/tokens`. Needs a fresh sign-in. */
export class CreateTokenRequest {
  @Matches(NAME) name!: string;
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(16)
  @ArrayUnique()
  @IsIn(TOKEN_SCOPES, { each: true })
  scopes!: TokenScope[];
  /** Left out: until it is revoked. */
  @IsOptional() @IsInt() @Min(1) @Max(3_650) expiresInDays?: number;
}

export interface TokenDetail {
  id: string;
  name: string;
  scopes: TokenScope[];
  createdMs: number;
  expiresMs: number | null;
  lastUsedMs: number | null;
}

export interface CreateTokenAnswer extends TokenDetail {
  /** Shown this once. */
  token: string;
}

export interface TokensAnswer {
  tokens: TokenDetail[];
}

/** `GET /api/audit` (admin) */
export class AuditQuery extends PageFields {
  @IsOptional() @IsUUID() targetId?: string;
  @IsOptional() @IsString() @MaxLength(64) action?: string;
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(Number.MAX_SAFE_INTEGER) cursor?: number;
}

interface AuditEvent {
  id: number;
  atMs: number;
  actor: { kind: string; id: string | null; name: string | null; address: string | null };
  action: string;
  target: { kind: string; id: string | null; name: string | null } | null;
  details: Record<string, unknown> | null;
}

export interface AuditAnswer {
  /** Newest first. */
  events: AuditEvent[];
  next: number | null;
}
