import type { Refusal } from '#common';
import { InvalidError, isWithin, parseSchedule } from '#engine';
import type { Body } from '../server-api/server-api';
import type { AgentTask, ServerWishes } from './agent-task';

/** What this machine lets the server make it do, with ALLOWED_PATHS resolved to real paths (normaliseRoots). */
export interface EffectiveGrants {
  readonly remoteCommands: boolean;
  readonly allowedRoots: readonly Buffer[];
  /** The real paths of a task. */
  readonly resolve: (paths: readonly string[]) => readonly Buffer[];
}

/** Why this agent does not run a task as the server defined it; null: it does. The agent's own task needs no grant. */
export function refusalOf(task: AgentTask, config: ServerWishes, grants: EffectiveGrants): Body<Refusal> | null {
  if (task.isOwn) return null;
  const refuse = (code: Refusal['code'], reason: string): Body<Refusal> => ({ taskId: task.key, code, reason });
  const bad = definitionProblem(task);
  if (bad !== null) return refuse('bad-definition', bad);
  const commands = config.preCommands.length + task.preCommands.length + task.postCommands.length;
  if (commands > 0 && !grants.remoteCommands) {
    return refuse('remote-commands', 'this machine does not run commands of the server (ALLOW_REMOTE_COMMANDS)');
  }
  const outside = pathsOutside(task, grants);
  if (outside.length === 0) return null;
  return refuse(
    'paths-not-allowed',
    `outside of the paths that this machine allows (ALLOWED_PATHS): ${outside.join(', ')}`.slice(0, 1_000),
  );
}

/** All that is refused at present, for the server to show. */
export function refusalsOf(
  tasks: readonly AgentTask[],
  config: ServerWishes,
  grants: EffectiveGrants,
): Body<Refusal>[] {
  const refusals = tasks.flatMap((task) => refusalOf(task, config, grants) ?? []);
  if (config.preCommands.length > 0 && !grants.remoteCommands) {
    const reason = "this machine does not run the client's pre-backup commands of the server (ALLOW_REMOTE_COMMANDS)";
    return [{ code: 'remote-commands', reason }, ...refusals];
  }
  return refusals;
}

/** Why a task cannot be run by anybody; null: it can. */
export function definitionProblem(task: AgentTask): string | null {
  if (task.paths.length === 0) return 'it has no paths';
  const relative = task.paths.find((path) => !path.startsWith('/'));
  if (relative !== undefined) return `a path is not absolute: ${relative.slice(0, 500)}`;
  try {
    if (task.schedule !== null) parseSchedule(task.schedule);
    return null;
  } catch (error) {
    if (error instanceof InvalidError) return error.message;
    throw error;
  }
}

/** By real paths: a link within an allowed folder leads nowhere else. */
function pathsOutside(task: AgentTask, { allowedRoots, resolve }: EffectiveGrants): string[] {
  const roots = resolve(task.paths);
  return roots
    .filter((root) => !allowedRoots.some((allowed) => isWithin(root, allowed)))
    .map((root) => root.toString());
}
