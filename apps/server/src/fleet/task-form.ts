import { ChangeTaskRequest, CommandSpec, CreateTaskRequest, ScheduleSpec, type TaskDefinition } from '#common';
import type { FormFields } from '../pages/form-fields';
import { FieldProblems, requestOf } from '../pages/form-problem';
import { nameOfForm } from '../pages/typed-name';

const MIB = 1024 * 1024;
const COMMAND_SECONDS = 3_600;

/** What the form of a task holds, as text. */
export interface TaskForm {
  readonly name: string;
  readonly paths: string;
  readonly excludes: string;
  readonly includes: string;
  readonly skipsCaches: boolean;
  readonly staysOnFileSystem: boolean;
  readonly markerFile: string;
  readonly maxFileMib: string;
  readonly schedule: 'none' | 'cron' | 'every';
  readonly cron: string;
  readonly timeZone: string;
  readonly everyMinutes: string;
  readonly delayMinutes: string;
  readonly preCommands: string;
  readonly postCommands: string;
  readonly isEnabled: boolean;
  /** Paths to try the excludes on. */
  readonly samples: string;
}

/** Of a task that is not there yet. */
export function emptyTaskForm(timeZone: string): TaskForm {
  return {
    ...{ name: '', paths: '', excludes: '', includes: '', skipsCaches: true, staysOnFileSystem: false },
    ...{ markerFile: '', maxFileMib: '', schedule: 'cron', cron: '0 2 * * *', timeZone, everyMinutes: '' },
    ...{ delayMinutes: '', preCommands: '', postCommands: '', isEnabled: true, samples: '' },
  };
}

export function taskFormOf(name: string, task: TaskDefinition, timeZone: string): TaskForm {
  const { schedule } = task;
  const numberText = (value: number | null | undefined): string =>
    value === null || value === undefined || value === 0 ? '' : String(value);
  return {
    name,
    paths: task.paths.join('\n'),
    excludes: task.excludes.join('\n'),
    includes: task.includes.join('\n'),
    skipsCaches: task.skipsCaches,
    staysOnFileSystem: task.staysOnFileSystem,
    markerFile: task.markerFile ?? '',
    maxFileMib: task.maxFileBytes === null ? '' : String(Math.floor(task.maxFileBytes / MIB)),
    schedule: schedule?.kind ?? 'none',
    cron: schedule?.cron ?? '',
    timeZone: schedule?.timeZone ?? timeZone,
    everyMinutes: numberText(schedule?.everySeconds === undefined ? null : schedule.everySeconds / 60),
    delayMinutes: numberText(schedule?.randomDelaySeconds === undefined ? null : schedule.randomDelaySeconds / 60),
    preCommands: task.preCommands.map(({ command }) => command).join('\n'),
    postCommands: task.postCommands.map(({ command }) => command).join('\n'),
    isEnabled: task.isEnabled,
    samples: '',
  };
}

/** The form as it was filled in. */
export function readTaskForm(fields: FormFields): TaskForm {
  const schedule = fields.text('schedule');
  return {
    name: fields.text('name'),
    paths: fields.text('paths'),
    excludes: fields.text('excludes'),
    includes: fields.text('includes'),
    skipsCaches: fields.isChecked('skips_caches'),
    staysOnFileSystem: fields.isChecked('stays_on_file_system'),
    markerFile: fields.text('marker_file'),
    maxFileMib: fields.text('max_file_mib'),
    schedule: schedule === 'cron' || schedule === 'every' ? schedule : 'none',
    cron: fields.text('cron'),
    timeZone: fields.text('time_zone'),
    everyMinutes: fields.text('every_minutes'),
    delayMinutes: fields.text('delay_minutes'),
    preCommands: fields.text('pre_commands'),
    postCommands: fields.text('post_commands'),
    isEnabled: fields.isChecked('is_enabled'),
    samples: fields.text('samples'),
  };
}

const SENTENCES = {
  name: 'A name has 1 to 128 characters.',
  paths: 'At most 1000 paths, one a line.',
  excludes: 'At most 1000 patterns, one a line.',
  includes: 'At most 1000 patterns, one a line.',
  markerFile: 'The name of a file, of at most 255 characters.',
  preCommands: 'At most 32 commands, one a line.',
  postCommands: 'At most 32 commands, one a line.',
};
/** Names of the form's fields, where they differ from the request's. */
const FIELD_OF: Readonly<Record<string, string>> = {
  markerFile: 'marker_file',
  preCommands: 'pre_commands',
  postCommands: 'post_commands',
};

/** The API's request. Throws {@link FieldProblems}. `before`: commands that stay keep their limits. */
export function taskRequest(form: TaskForm, before: TaskDefinition | null): CreateTaskRequest {
  const schedule = scheduleOfForm(form);
  const maxFileMib = numberOf(form.maxFileMib, 'max_file_mib', 'A whole number of mebibytes, or nothing.');
  const problems: Record<string, string> = {};
  if (lines(form.paths).length === 0) problems['paths'] = 'Name at least one path, such as /home.';
  try {
    const values = {
      name: form.name.trim() || form.name,
      paths: lines(form.paths).map((path) => path.trim()),
      excludes: lines(form.excludes),
      includes: lines(form.includes),
      skipsCaches: form.skipsCaches,
      staysOnFileSystem: form.staysOnFileSystem,
      markerFile: form.markerFile.trim() === '' ? null : form.markerFile.trim(),
      maxFileBytes: maxFileMib === null ? null : maxFileMib * MIB,
      schedule,
      preCommands: commandsOf(form.preCommands, before?.preCommands ?? []),
      postCommands: commandsOf(form.postCommands, before?.postCommands ?? []),
      isEnabled: form.isEnabled,
    };
    const request = requestOf(CreateTaskRequest, values, SENTENCES);
    if (Object.keys(problems).length > 0) throw new FieldProblems(problems);
    return request;
  } catch (error) {
    if (!(error instanceof FieldProblems)) throw error;
    const named = Object.entries(error.fields).map(([name, words]) => [FIELD_OF[name] ?? name, words]);
    throw new FieldProblems({ ...(Object.fromEntries(named) as Record<string, string>), ...problems });
  }
}

/** The same, of a task that is there and has this name. */
export function taskChange(form: TaskForm, before: TaskDefinition | null, name: string): ChangeTaskRequest {
  const request = taskRequest(form, before);
  return Object.assign(new ChangeTaskRequest(), request, { name: nameOfForm(form.name, name) });
}

/** What the form says of when; the engine says later whether it can be. */
export function scheduleOfForm(form: TaskForm): ScheduleSpec | null {
  if (form.schedule === 'none') return null;
  const delay = numberOf(form.delayMinutes, 'delay_minutes', 'A whole number of minutes, or nothing.') ?? 0;
  const randomDelaySeconds = delay * 60;
  if (form.schedule === 'every') {
    const minutes = numberOf(form.everyMinutes, 'every_minutes', 'A whole number of minutes.');
    if (minutes === null || minutes === 0) throw new FieldProblems({ every_minutes: 'After how many minutes?' });
    return Object.assign(new ScheduleSpec(), { kind: 'every', everySeconds: minutes * 60, randomDelaySeconds });
  }
  if (form.cron.trim() === '')
    throw new FieldProblems({ cron: 'Five fields, such as 0 2 * * * for every night at 2.' });
  const timeZone = form.timeZone.trim() === '' ? 'UTC' : form.timeZone.trim();
  return Object.assign(new ScheduleSpec(), { kind: 'cron', cron: form.cron.trim(), timeZone, randomDelaySeconds });
}

function commandsOf(text: string, before: readonly CommandSpec[]): CommandSpec[] {
  return lines(text).map((command) => {
    const known = before.find((spec) => spec.command === command);
    return known ?? Object.assign(new CommandSpec(), { command, timeoutSeconds: COMMAND_SECONDS, onFailure: 'abort' });
  });
}

function lines(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}

function numberOf(text: string, field: string, sentence: string): number | null {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  if (!/^\d{1,9}$/.test(trimmed)) throw new FieldProblems({ [field]: sentence });
  return Number(trimmed);
}
