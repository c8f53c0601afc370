import { randomUUID } from 'node:crypto';
import type { WritePoint } from '#common';
import { StartError } from '../config/start-error';
import type { Database } from '../database/database';
import { ServerStarts } from '../database/server-starts';
import type { Sql } from '../database/sql';
import type { RestoreMark } from '../database/unfinished-restore';
import { RestoreMarkRepository } from './restore-mark.repository';

/** Who restores, in the mark: two that restore at once, on two hosts perhaps, never mix their rows. */
export class RestoreClaim {
  private readonly marks = new RestoreMarkRepository();
  private readonly starts = new ServerStarts();
  private readonly token = randomUUID();

  /**
   * `held`: the token of the mark that stood when the target was looked at; null: none stood. `lastStart`: the sign that the last
   * server had left before; empty: none.
   */
  constructor(
    private held: string | null,
    private lastStart = '',
  ) {}

  /** Every write of `database` from here on fails, without effect, once another has taken the mark over. */
  fence(database: Database, also: (tx: Sql) => Promise<void> = () => Promise.resolve()): void {
    database.fence(async (tx) => {
      await this.assertHeld(tx);
      await also(tx);
    });
  }

  /** Puts the mark, as this process's; `also` stands or falls with it. Throws StartError when a server began to work before the first. */
  async mark(
    database: Database,
    point: WritePoint,
    { phase, from }: Pick<RestoreMark, 'phase' | 'from'>,
    also: (tx: Sql) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    await database.write(point, async (tx) => {
      // With a mark none begins.
      if (this.held === null && !(await this.starts.isStill(tx, this.lastStart))) throw serverStarted();
      // First: waits for what the one before has open, whose writes end here, so that none of them comes after `also`.
      await this.marks.save(tx, { phase, from, token: this.token });
      await this.starts.beginLife(tx);
      await also(tx);
    });
    this.held = this.token;
  }

  /** Ends the mark; from here on the database is everybody's. */
  async end(database: Database, point: WritePoint, also: (tx: Sql) => Promise<void>): Promise<void> {
    await database.write(point, async (tx) => {
      await also(tx);
      await this.marks.clear(tx);
    });
    database.fence(null);
  }

  /** To be called when the tables were dropped, and the mark with them. */
  droppedMark(): void {
    this.held = null;
    this.lastStart = '';
  }

  private async assertHeld(tx: Sql): Promise<void> {
    const mark = await this.marks.load(tx, tx.forShare());
    if ((mark?.token ?? null) === this.held) return;
    throw new StartError(
      'Another restore-catalog has taken over what this one began: this one ends here, and the other goes on.',
    );
  }
}

function serverStarted(): StartError {
  return new StartError(
    'A server, or one of its jobs, began to work on this database just now: stop it, and run the same command again. Nothing was changed.',
  );
}
