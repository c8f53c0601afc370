import type { DumpedValue } from '#engine';

/**
 * The whole database as it is at one moment, read on a connection of its own while others go on writing. Nothing of it is
 * shared with the server's own connections: it may be opened in another thread. Columns come back as `Sql` tells them.
 */
export interface DatabaseSnapshot {
  /** The first row's values; undefined when there is none. */
  first(sql: string): Promise<readonly DumpedValue[] | undefined>;
  /** The rows of `sql`, some hundred at a time; to be read to its end before the next statement. */
  rows(sql: string): AsyncGenerator<readonly (readonly DumpedValue[])[], void, undefined>;
  hasTable(name: string): Promise<boolean>;
  /** Highest number that the table ever gave to a row; 0: none yet. */
  lastNo(table: string): Promise<number>;
  close(): Promise<void>;
}
