import type { DumpedColumn } from '#engine';
import { isGenerated } from '../database/dialect';
import { TABLES } from '../database/entities';
import { LIFE_SETTING, STARTED_SETTING } from '../database/server-starts';
import { RESTORE_SETTING } from '../database/unfinished-restore';

/** A table whose rows a dump has. */
export interface TableToDump {
  readonly name: string;
  readonly columns: readonly DumpedColumn[];
  /** Whether it gives numbers to its rows. */
  readonly isNumbered: boolean;
  /** Condition of the rows that are dumped; null: all. */
  readonly where: string | null;
}

/**
 * What a catalog that is brought back must not have: sign-ins that ended since, codes that were used since, and what is
 * true of servers that are gone. Runs that were on are undone there, and without a record of their paths that reads the task.
 */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'page_sessions',
  'enrolment_codes',
  'sign_in_attempts',
  'leases',
  'heartbeats',
  'found_chunks',
  'run_batches',
]);

/** Whoever can read the storage must not be able to sign tokens: a server without the key makes a new one. */
const WHERE: Readonly<Record<string, string>> = {
  settings: `name not in ('token-secret', '${RESTORE_SETTING}', '${STARTED_SETTING}', '${LIFE_SETTING}')`,
};

/** Every table that a dump of this version has, in the order in which they stand in it. */
export function tablesToDump(): TableToDump[] {
  return TABLES.filter(({ name }) => !LEFT_OUT.has(name)).map(({ name, columns }) => {
    const entries = Object.entries(columns);
    return {
      name,
      columns: entries.map(([column, { kind }]) => ({
        name: column,
        kind: kind === 'text' || kind === 'bytes' ? kind : 'int',
      })),
      isNumbered: entries.some(([, { kind }]) => isGenerated(kind)),
      where: WHERE[name] ?? null,
    };
  });
}
