import type { RunSummary } from '#common';
import type { AgentTask } from '../schedule/agent-task';
import type { LinkState } from '../service/server-link';

export interface StatusFacts {
  readonly clientName: string;
  readonly clientId: string;
  /** Where the server says that its pages are. */
  readonly publicUrl: string | null;
  /** Where the agent reaches it. */
  readonly serverUrl: string;
  readonly link: LinkState;
  readonly tasks: readonly AgentTask[];
  /** Server time, ms, by the task's key. */
  readonly nextDueMs: (key: string) => number | null;
  readonly running: { readonly key: string; readonly phase: string; readonly files: number } | null;
  readonly waitingKeys: readonly string[];
  /** Newest first; null: the server could not be asked. */
  readonly runs: readonly RunSummary[] | null;
  readonly clockAheadMs: number;
}

const MAX_RUNS = 10;

/** The server says where its pages are; what is no web address of its is not made a link. */
function siteOf({ publicUrl, serverUrl }: StatusFacts): string {
  const isWeb =
    typeof publicUrl === 'string' && URL.canParse(publicUrl) && /^https?:$/.test(new URL(publicUrl).protocol);
  return isWeb ? publicUrl : serverUrl;
}

/** Pure: what the status page shows. */
export function statusView(facts: StatusFacts): object {
  const { link, runs } = facts;
  return {
    clientName: facts.clientName,
    clientUrl: `${siteOf(facts).replace(/\/+$/, '')}/clients/${facts.clientId}`,
    connection: connectionText(link),
    isFine: link.is === 'online',
    clock: clockText(facts.clockAheadMs),
    tasks: facts.tasks.map((task) => ({
      key: task.key,
      name: task.name,
      paths: task.paths.join(', '),
      next: timeText(facts.nextDueMs(task.key)) ?? 'only when it is told to',
      state: stateOf(task, facts),
      canRun: link.is !== 'refused' && facts.running?.key !== task.key && !facts.waitingKeys.includes(task.key),
    })),
    hasRuns: runs !== null,
    runs: (runs ?? []).slice(0, MAX_RUNS).map((run) => ({
      task: run.task,
      state: run.state,
      started: timeText(run.startedMs),
      took: run.endedMs === null ? '' : `${Math.max(0, Math.round((run.endedMs - run.startedMs) / 1_000))} s`,
      files: run.files,
      error: run.error,
    })),
  };
}

function stateOf(task: AgentTask, { running, waitingKeys }: StatusFacts): string {
  if (running?.key === task.key) return `running (${running.phase}, ${running.files} paths so far)`;
  if (waitingKeys.includes(task.key)) return 'due, waiting';
  return task.isEnabled ? 'at rest' : 'disabled';
}

function connectionText(link: LinkState): string {
  switch (link.is) {
    case 'connecting':
      return 'Connecting to the server.';
    case 'online':
      return 'Connected to the server.';
    case 'away':
      return `The server is away (${link.reason}). Runs that are due wait for it.`;
    case 'refused':
      return `Refused: ${link.reason}. Runs that are due wait. The server is asked again every 10 to 15 minutes; after "holdfast enroll" on this machine the agent goes on at once.`;
  }
}

function clockText(aheadMs: number): string | null {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  if (seconds < 5) return null;
  return `The clock of this machine is ${seconds} s ${aheadMs < 0 ? 'behind' : 'ahead of'} the server's, which counts.`;
}

function timeText(ms: number | null): string | null {
  return ms === null ? null : `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
