import type { Command, CommandOutcome, CommandReport } from './command';
import type { LeftCommand } from './left-command';
import { runCommand } from './run-command';

export interface CommandList {
  readonly phase: 'pre' | 'post';
  readonly commands: readonly Command[];
  readonly env: Record<string, string>;
  readonly signal: AbortSignal;
  /** Writes each down while it runs. */
  readonly inFlight: Pick<LeftCommand, 'begin' | 'end'>;
}

/** Runs them one after the other. After one that fails and says `abort`, and after a cancel, the rest is skipped. */
export async function runCommands({ phase, commands, env, signal, inFlight }: CommandList): Promise<CommandReport[]> {
  const reports: CommandReport[] = [];
  let isStopped = false;
  for (const [position, command] of commands.entries()) {
    if (isStopped) {
      reports.push(unrunReport(phase, position, command, 'skipped'));
      continue;
    }
    const mark = inFlight.begin();
    const report = await runCommand(command, { phase, position, env: { ...env, ...mark }, signal });
    inFlight.end();
    reports.push(report);
    isStopped = report.outcome === 'killed' || (isFailure(report) && command.onFailure === 'abort');
  }
  return reports;
}

/** Of a command that was not begun. */
function unrunReport(
  phase: 'pre' | 'post',
  position: number,
  { command }: Command,
  outcome: Extract<CommandOutcome, 'skipped' | 'refused'>,
): CommandReport {
  const nothing = { exitCode: null, signal: null, durationMs: 0, output: '', isTruncated: false };
  return { phase, position, command, outcome, startedMs: Date.now(), ...nothing };
}

/** This machine does not let the server give it commands: all of the list is refused, and none runs. */
export function refusedReports(phase: 'pre' | 'post', commands: readonly Command[]): CommandReport[] {
  return commands.map((command, position) => unrunReport(phase, position, command, 'refused'));
}

function isFailure({ outcome }: CommandReport): boolean {
  return outcome === 'failed' || outcome === 'timed-out';
}

/** The first command that ends its run, in words; null: none does. */
export function abortReason(commands: readonly Command[], reports: readonly CommandReport[]): string | null {
  const index = reports.findIndex((report, at) => isFailure(report) && commands[at]?.onFailure === 'abort');
  const report = reports[index];
  if (report === undefined) return null;
  const how =
    report.outcome === 'timed-out'
      ? 'took longer than its time limit'
      : report.signal !== null
        ? `was ended by ${report.signal}`
        : `ended with exit code ${report.exitCode ?? 'none'}`;
  return `a ${report.phase} command ${how}: ${shortened(report.command)}`;
}

function shortened(command: string): string {
  return command.length <= 200 ? command : `${command.slice(0, 200)}...`;
}
