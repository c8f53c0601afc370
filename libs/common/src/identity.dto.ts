// Its decorators need it, also where no Nest is loaded (tests).
import 'reflect-metadata';
import {
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

export const ROLES = ['admin', 'user', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

/** `POST /api/login`, form or JSON. */
export class LoginRequest {
  @IsString() @Matches(/^[^\p{Cc}]{1,128}$/u) username!: string;
  @IsString() @Length(1, 1_024) password!: string;
}

export interface LoginAnswer {
  access_token: string;
  token_type: 'bearer';
}

/** `POST /api/register_user` (admin). */
export class RegisterUserRequest {
  /** 1 to 128 characters, no control characters. */
  @Matches(/^[^\p{Cc}]{1,128}$/u) username!: string;
  @IsString() @Length(8, 1_024) password!: string;
  @IsOptional() @IsIn(ROLES) role?: Role;
  /** Alias: true means role admin. */
  @IsOptional() @IsBoolean() is_admin?: boolean;
  /** Versions that were current within so many days are kept; 0: no limit. */
  @IsOptional() @IsInt() @Min(0) @Max(36_500) retention_days?: number;
  /** So many contents of each file are kept; 0: no limit. */
  @IsOptional() @IsInt() @Min(0) @Max(1_000_000) retention_versions?: number;
}

export interface UserAnswer {
  id: string;
  username: string;
  role: Role;
}

/** `POST /api/clients/register`: a user for himself, an admin for anyone. A name in use needs a fresh sign-in. */
export class RegisterClientRequest {
  @Matches(/^[^\p{Cc}]{1,128}$/u) name!: string;
  /** Owner; only an admin may name somebody else. */
  @IsOptional() @IsString() @MaxLength(128) username?: string;
  @IsOptional() @IsString() @MaxLength(255) hostName?: string;
  @IsOptional() @IsString() @MaxLength(32) platform?: string;
  @IsOptional() @IsString() @MaxLength(32) agentVersion?: string;
  /**
   * Makes the registration repeatable: the agent chooses its secret (256 random bits as 64 hex digits) and writes it down
   * before it asks. Without it the server chooses.
   */
  @IsOptional() @Matches(/^[0-9a-f]{64}$/) secret?: string;
}

export interface RegisterClientAnswer {
  clientId: string;
  /** 64 hex digits, shown this once. */
  secret: string;
}

/** `POST /api/agent/token` */
export class AgentTokenRequest {
  @IsUUID() clientId!: string;
  @Matches(/^[0-9a-f]{64}$/) secret!: string;
}

export interface AgentTokenAnswer {
  token: string;
  expiresInSeconds: number;
}

/** `GET /api/clients/me` */
export interface ClientAnswer {
  id: string;
  name: string;
  owner: string;
}
