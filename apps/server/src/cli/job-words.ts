import { MAINTENANCE_JOBS, type MaintenanceJob } from '#common';
import { UsageError } from '../config/start-error';

/** A job as it was asked for on the command line. */
export interface JobWords {
  readonly job: MaintenanceJob;
  readonly isDryRun: boolean;
  /** Of scrub: every pack, whenever it was read last. */
  readonly isFull: boolean;
  readonly isJson: boolean;
}

export const HELP = `Usage: holdfast-server [COMMAND | --help | --version]

Without a command it serves. Settings are environment variables (docs/operations/settings.md).
Every command works beside a running server, and uses its settings.

Commands:
  retention [--dry-run] [--json]      apply retention to every task
  reclaim [--dry-run] [--json]        one pass: give back space that nothing refers to
  scrub [--now] [--dry-run] [--json]  look whether all packs are there, and read back what is due;
                                      --now: read all of them
  space [--dry-run] [--json]          reckon what is stored for whom
  catalog dump [--json]               put a dump of the catalog into the storage
  restore-catalog [--from KEY | --list]
                                      bring the newest dump (or KEY) back into an empty database, and take over
                                      what the storage knows beyond it
  restore-catalog --adopt             the same for an older database that was put back by hand; no server may run
  reset-password USER [--password-stdin]
                                      the way back in

  --dry-run  only tell what would be done
  --json     the report as one JSON document on standard output

Exit codes:
  0  done
  1  it failed, or could not be done
  2  settings, or words of the command line, are wrong
  3  scrub is done, and something is damaged (GET /api/damage names it); restore-catalog is done, and something that
     the storage knows was not taken over
  4  the job runs already, here or on another server
`;

const FLAGS: Readonly<Record<MaintenanceJob, readonly string[]>> = {
  retention: ['--dry-run', '--json'],
  reclaim: ['--dry-run', '--json'],
  scrub: ['--now', '--dry-run', '--json'],
  space: ['--dry-run', '--json'],
  'catalog-dump': ['--dry-run', '--json'],
};

/** What a job is called on the command line, where that is not its name. */
const COMMANDS: Partial<Readonly<Record<MaintenanceJob, string>>> = { 'catalog-dump': 'catalog dump' };

/** Null when the command is no job. Throws UsageError on words that the job does not know. */
export function parseJobWords(line: readonly string[]): JobWords | null {
  const job = MAINTENANCE_JOBS.find((name) =>
    line
      .join(' ')
      .concat(' ')
      .startsWith(`${commandOf(name)} `),
  );
  if (job === undefined) return assertNoHalf(line);
  const command = commandOf(job);
  const words = line.slice(command.split(' ').length);
  const unknown = words.find((word) => !FLAGS[job].includes(word));
  if (unknown !== undefined) {
    throw new UsageError(`${command} does not know ${JSON.stringify(unknown)}. ${usageOf(job)}`);
  }
  return {
    job,
    isDryRun: words.includes('--dry-run'),
    isFull: words.includes('--now'),
    isJson: words.includes('--json'),
  };
}

/** `catalog` alone is the beginning of a command. */
function assertNoHalf([word = '']: readonly string[]): null {
  const job = MAINTENANCE_JOBS.find((name) => commandOf(name).startsWith(`${word} `));
  if (job !== undefined) throw new UsageError(`After ${word} comes what to do. ${usageOf(job)}`);
  return null;
}

function usageOf(job: MaintenanceJob): string {
  return `Usage: holdfast-server ${commandOf(job)} ${FLAGS[job].map((flag) => `[${flag}]`).join(' ')}`;
}

function commandOf(job: MaintenanceJob): string {
  return COMMANDS[job] ?? job;
}
