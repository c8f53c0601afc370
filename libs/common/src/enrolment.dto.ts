import { IsInt, IsOptional, IsString, IsUUID, Matches, Max, MaxLength, Min } from 'class-validator';
import { NAME } from './task.dto';

/** `POST /api/enrolment_codes`: an admin for anyone, a user for himself. */
export class CreateEnrolmentCodeRequest {
  /** Owner of the client that will be enrolled. Left out: the caller. */
  @IsOptional() @IsString() @MaxLength(128) username?: string;
  /** Only for this client, which is attached anew: its old secret ends when the code is used. */
  @IsOptional() @IsUUID() clientId?: string;
  /** Default 60. */
  @IsOptional() @IsInt() @Min(1) @Max(10_080) expiresInMinutes?: number;
}

export interface EnrolmentCodeAnswer {
  id: string;
  /** Shown this once. Single use. */
  code: string;
  expiresAtMs: number;
}

/** `POST /api/clients/enrol`, without other credentials. */
export class EnrolRequest {
  /** As it was shown; case, spaces and dashes do not matter. */
  @IsString() @Matches(/^[\sA-Za-z0-9-]{8,64}$/) code!: string;
  /** Left out with a code for one client. */
  @IsOptional() @Matches(NAME) name?: string;
  @IsOptional() @IsString() @MaxLength(255) hostName?: string;
  @IsOptional() @IsString() @MaxLength(32) platform?: string;
  @IsOptional() @IsString() @MaxLength(32) agentVersion?: string;
  /** See RegisterClientRequest.secret: with it a lost answer costs no code. */
  @IsOptional() @Matches(/^[0-9a-f]{64}$/) secret?: string;
}
