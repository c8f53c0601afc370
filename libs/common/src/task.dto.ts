import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateBy,
  ValidateNested,
} from 'class-validator';
import { excludePatternProblem } from '#engine';

/** Of users, clients, tasks and API tokens: 1 to 128 characters, none of them a control character. Whatever gets a new one is asked more: `newNameFault`. */
export const NAME = /^[^\p{Cc}]{1,128}$/u;

/** A line for the shell (`sh -c`; `cmd /c` on Windows), run with a clean environment and a process group of its own. */
export class CommandSpec {
  @IsString() @Length(1, 8_192) command!: string;
  /** After so long the process group is killed and the command has failed. */
  @IsInt() @Min(1) @Max(604_800) timeoutSeconds!: number;
  /** Of a pre command: `abort` fails the run. Of a post command: `abort` leaves out the post commands after it. */
  @IsIn(['abort', 'continue']) onFailure!: 'abort' | 'continue';
}

/** The engine's Schedule as it crosses the wire, with a random delay (0: none) that the agent draws anew each time. */
export class ScheduleSpec {
  @IsIn(['cron', 'every']) kind!: 'cron' | 'every';
  /** Of kind `cron`. */
  @IsOptional() @IsString() @Length(1, 128) cron?: string;
  /** IANA name, of kind `cron`. */
  @IsOptional() @IsString() @Length(1, 64) timeZone?: string;
  /** Of kind `every`, counted from the start of the last run. At least 60, but in the agent's own settings. */
  @IsOptional() @IsInt() @Min(1) @Max(31_622_400) everySeconds?: number;
  @IsOptional() @IsInt() @Min(0) @Max(86_400) randomDelaySeconds?: number;
}

/** What a task does. Left out of a create: the default that is named here. Left out of a change: as it was. */
export class TaskDefinitionFields {
  /** Absolute paths, at least one; checked against the agent's ALLOWED_PATHS on both sides. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(1_000)
  @IsString({ each: true })
  @Length(1, 4_096, { each: true })
  paths?: string[];

  /** Gitignore patterns that leave out. Default: none. Whoever defines a task may give none that could match nothing (`#x`, `./x`, `[z-a]`). */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(1_000)
  @IsString({ each: true })
  @Length(1, 4_096, { each: true })
  excludes?: string[];

  /** Gitignore patterns that take back what `excludes` left out: the agent adds them after those, as `!pattern`. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(1_000)
  @IsString({ each: true })
  @Length(1, 4_096, { each: true })
  includes?: string[];

  /** Leaves out the content of directories with a CACHEDIR.TAG. Default false. */
  @IsOptional() @IsBoolean() skipsCaches?: boolean;
  /** Leaves out the content of directories that hold a file of this name: no path, neither `.` nor `..`. Default null: none. */
  @IsOptional() @IsString() @Length(1, 255) markerFile?: string | null;
  /** Leaves out larger files. Default null: no limit. */
  @IsOptional() @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) maxFileBytes?: number | null;
  /** Does not go into other file systems than that of each path. Default false. */
  @IsOptional() @IsBoolean() staysOnFileSystem?: boolean;
  /** Default null: runs only when told to. */
  @IsOptional() @ValidateNested() @Type(() => ScheduleSpec) schedule?: ScheduleSpec | null;
  /** Run one after the other before the scan, after the client's own pre-backup commands. Default: none. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(32)
  @ValidateNested({ each: true })
  @Type(() => CommandSpec)
  preCommands?: CommandSpec[];

  /** Run always when the run is over, whatever became of it. Default: none. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(32)
  @ValidateNested({ each: true })
  @Type(() => CommandSpec)
  postCommands?: CommandSpec[];

  /** zstd level of new blocks, 0 (stored as they are) to 19. Default null: the agent's setting. */
  @IsOptional() @IsInt() @Min(0) @Max(19) compressionLevel?: number | null;
  /** Default true. */
  @IsOptional() @IsBoolean() isEnabled?: boolean;
}

/** All of it, as it is kept and told to the agent. */
export type TaskDefinition = Required<{
  [K in keyof TaskDefinitionFields]: Exclude<TaskDefinitionFields[K], undefined>;
}>;

/** The name of the constraint whose message says which pattern cannot be used, and why. */
export const USABLE_PATTERNS = 'usablePatterns';

/** Patterns that may match something, each with `sign` before it. */
function AreUsablePatterns(sign: '' | '!'): PropertyDecorator {
  const problemOf = (pattern: unknown): string | null => {
    const problem = typeof pattern === 'string' ? excludePatternProblem(sign + pattern) : null;
    return problem === null ? null : `"${String(pattern).slice(0, 100)}": ${problem}`;
  };
  const problems = (value: unknown) => (Array.isArray(value) ? value.map(problemOf) : []).filter((it) => it !== null);
  return ValidateBy({
    name: USABLE_PATTERNS,
    validator: {
      validate: (value) => problems(value).length === 0,
      defaultMessage: (refused) => problems(refused?.value)[0] ?? '',
    },
  });
}

/** What people define: patterns that could match nothing are refused here only. A task that has one already goes on. */
class NewDefinitionFields extends TaskDefinitionFields {
  @AreUsablePatterns('') override excludes?: string[];
  @AreUsablePatterns('!') override includes?: string[];
}

/** `POST /api/clients/:id/tasks` */
export class CreateTaskRequest extends NewDefinitionFields {
  @Matches(NAME) name!: string;
}

/** `PATCH /api/tasks/:id` */
export class ChangeTaskRequest extends NewDefinitionFields {
  @IsOptional() @Matches(NAME) name?: string;
}

/**
 * `PUT /api/clients/me/tasks/:name`. Without a body: a task that commands of the agent's command line use. With a
 * definition: the task that the agent's own settings make; the server keeps it to show it and to know when it is late,
 * never to command it. `null`: the settings make it no more; it stays with its snapshots, and is not due.
 */
export class OpenTaskRequest {
  @IsOptional() @ValidateNested() @Type(() => TaskDefinitionFields) definition?: TaskDefinitionFields | null;
}

/** Where a task comes from: defined on the server, by the agent's settings, or made by its command line. */
export type TaskOrigin = 'server' | 'agent' | 'command-line';

export interface TaskDetail {
  id: string;
  clientId: string;
  name: string;
  origin: TaskOrigin;
  /** Null for a task of the command line, and for who may not see names and commands. */
  definition: TaskDefinition | null;
  isEnabled: boolean;
  schedule: ScheduleSpec | null;
  /** As the agent told (random delay included), else as the schedule says; null when it is not due by itself. */
  nextDueMs: number | null;
  /** A due time plus the grace has passed without a run that succeeded, whole or in part. */
  isLate: boolean;
  lastRun: { id: string; state: string; startedMs: number; endedMs: number | null } | null;
  /** When the newest snapshot was made. */
  lastGoodMs: number | null;
  /** What the newest snapshot shows; null before the first. */
  newestBytes: number | null;
  /** Id of the newest snapshot. */
  head: string | null;
  createdMs: number;
  deletedMs: number | null;
  /** A deleted task can be brought back until then. */
  restorableUntilMs: number | null;
}

export interface TasksAnswer {
  tasks: TaskDetail[];
}
