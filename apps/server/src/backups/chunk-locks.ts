import { slices, type Sql, type Value } from '../database/sql';
import { nosInput, sortedNos } from './chunk-rows';

/**
 * Locks those of the chunks for which `condition` (over the alias `c`) holds, in ascending order, and returns them. On
 * PostgreSQL an update alone would lock in the order of its plan, and two of them could deadlock.
 */
export async function lockChunks(
  tx: Sql,
  nos: Iterable<number>,
  condition: string,
  params: readonly Value[] = [],
): Promise<number[]> {
  const locked: number[] = [];
  for await (const slice of slices(sortedNos(nos))) {
    const rows = await tx.allWith<{ no: number }>(
      nosInput(slice),
      `select c.no from input join chunks c on c.no = input.no where ${condition} order by c.no ${tx.forUpdate('c')}`,
      params,
    );
    for (const row of rows) locked.push(row.no);
  }
  return locked;
}

/** `update chunks set <assignment>` of rows that {@link lockChunks} locked, or that nobody else can be at work on. */
export async function updateLocked(tx: Sql, nos: readonly number[], assignment: string): Promise<void> {
  for await (const slice of slices(nos)) {
    await tx.runWith(nosInput(slice), `update chunks set ${assignment} where no in (select no from input)`);
  }
}
