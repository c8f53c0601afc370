import { ScheduleSpec, type TaskDefinition, type TaskDefinitionFields } from '#common';
import { InvalidError, isWithin, parsePath, parseSchedule, type Schedule } from '#engine';
import { DomainError } from '../http/domain-error';

const EMPTY: TaskDefinition = {
  paths: [],
  excludes: [],
  includes: [],
  skipsCaches: false,
  markerFile: null,
  maxFileBytes: null,
  staysOnFileSystem: false,
  schedule: null,
  preCommands: [],
  postCommands: [],
  compressionLevel: null,
  isEnabled: true,
};

/** As JSON: it stands in one record of a config export, is fetched before every run, and lies in every backup of the settings. */
const MAX_DEFINITION_BYTES = 256 * 1024;
/** As the pages count: whole minutes. */
const LEAST_EVERY_SECONDS = 60;
const MAY_BE_NULL = new Set(['schedule', 'markerFile', 'maxFileBytes', 'compressionLevel']);

/** The definition that a request makes of the one before (null: of none). Throws `invalid` for what no agent could do. */
export function defineTask(before: TaskDefinition | null, fields: TaskDefinitionFields): TaskDefinition {
  for (const [name, value] of Object.entries(fields)) {
    if (value === null && !MAY_BE_NULL.has(name)) throw new DomainError('invalid', `${name} must not be null.`);
  }
  assertWellFormed(fields);
  const told = Object.entries(fields).filter(([name, value]) => name in EMPTY && value !== undefined);
  const after: TaskDefinition = { ...(before ?? EMPTY), ...(Object.fromEntries(told) as Partial<TaskDefinition>) };
  if (after.paths.length === 0) throw new DomainError('invalid', 'A task has at least one path.');
  if (fields.markerFile !== undefined) assertMarkerName(fields.markerFile);
  const schedule = after.schedule === null ? null : scheduleSpec(after.schedule);
  const definition = { ...after, paths: after.paths.map((path) => pathOf(path).toString('utf8')), schedule };
  if (Buffer.byteLength(JSON.stringify(definition)) > MAX_DEFINITION_BYTES) {
    throw new DomainError(
      'too-large',
      `A task has at most ${MAX_DEFINITION_BYTES} bytes of paths, rules and commands.`,
    );
  }
  return definition;
}

/**
 * Throws `invalid` for a schedule that no person may make. What an agent's own settings run more often (BACKUP_INTERVAL) is its
 * owner's business, and shown as it is.
 */
export function assertNotTooOften(schedule: ScheduleSpec | null): void {
  if (schedule?.everySeconds !== undefined && schedule.everySeconds < LEAST_EVERY_SECONDS) {
    throw new DomainError('invalid', `A task runs every ${LEAST_EVERY_SECONDS} seconds at most.`);
  }
}

/** Half of a surrogate pair would be stored as another letter: another path than the one that was asked for. */
function assertWellFormed(fields: TaskDefinitionFields): void {
  const commands = [...(fields.preCommands ?? []), ...(fields.postCommands ?? [])].map(({ command }) => command);
  const texts = [...(fields.paths ?? []), ...(fields.excludes ?? []), ...(fields.includes ?? []), ...commands];
  if ([...texts, fields.markerFile ?? ''].every((text) => text.isWellFormed())) return;
  throw new DomainError('invalid', 'A path, rule or command of the task is no well-formed Unicode text.');
}

/** Names that no file in a directory has would never match. */
function assertMarkerName(name: string | null): void {
  if (name === null || !(name.includes('/') || name === '.' || name === '..')) return;
  throw new DomainError('invalid', 'A marker file is the name of a file, not a path, and neither . nor ..');
}

/** The engine's schedule; null for a task that is not due by itself. Throws `invalid`. */
function scheduleOf(spec: ScheduleSpec | null): Schedule | null {
  if (spec === null) return null;
  const { kind, cron, timeZone, everySeconds } = spec;
  try {
    if (kind === 'every') {
      if (everySeconds === undefined) throw new InvalidError('a schedule of kind every needs everySeconds');
      return parseSchedule({ kind, everySeconds });
    }
    if (cron === undefined) throw new InvalidError('a schedule of kind cron needs cron');
    return parseSchedule({ kind, cron, timeZone: timeZone ?? 'UTC' });
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    throw new DomainError('invalid', `The schedule is ${error.message}`, { cause: error });
  }
}

/** Throws `invalid` when a path lies outside of what the agent allows. */
export function assertAllowed(paths: readonly string[], allowedPaths: readonly string[]): void {
  const allowed = allowedPaths.map(pathOf);
  const outside = paths.filter((path) => {
    const bytes = pathOf(path);
    return !allowed.some((ancestor) => bytes.equals(ancestor) || isWithin(bytes, ancestor));
  });
  if (outside.length === 0) return;
  throw new DomainError(
    'invalid',
    `The agent allows ${list(allowedPaths)} (its ALLOWED_PATHS), and not ${list(outside)}: change it there first.`,
    { details: { outside, allowed: allowedPaths } },
  );
}

export function hasCommands(definition: TaskDefinition): boolean {
  return definition.preCommands.length + definition.postCommands.length > 0;
}

/** What changed, for the audit: commands in full. */
export function definitionChanges(before: TaskDefinition | null, after: TaskDefinition): Record<string, unknown> {
  const names = Object.keys(after) as (keyof TaskDefinition)[];
  const changed = names.filter((name) => JSON.stringify((before ?? EMPTY)[name]) !== JSON.stringify(after[name]));
  return Object.fromEntries(changed.map((name) => [name, { from: before?.[name] ?? null, to: after[name] }]));
}

/** Only what its kind has; the zone always named. */
function scheduleSpec(spec: ScheduleSpec): ScheduleSpec {
  const randomDelaySeconds = spec.randomDelaySeconds ?? 0;
  return Object.assign(new ScheduleSpec(), scheduleOf(spec), { randomDelaySeconds });
}

function pathOf(text: string): Buffer {
  try {
    const trimmed = text.length > 1 ? text.replace(/\/+$/, '') : text;
    return parsePath(Buffer.from(trimmed === '' ? '/' : trimmed));
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    throw new DomainError('invalid', `A path of the task is no path: ${error.message}`, { cause: error });
  }
}

function list(paths: readonly string[]): string {
  return paths.length === 0 ? 'nothing' : paths.slice(0, 5).join(', ') + (paths.length > 5 ? '...' : '');
}
