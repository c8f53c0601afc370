/** A run that has a manifest in storage, or is the head of its task in the catalog. */
export interface LineRun {
  readonly runId: string;
  readonly number: number;
  readonly parentRunId: string | null;
  readonly stampMs: number;
}

export interface RunLine<R extends LineRun> {
  /** To be taken over, in this order. */
  readonly adopt: readonly R[];
  /** Not on the line that counts, with the reason. */
  readonly left: readonly { readonly run: R; readonly reason: string }[];
}

/**
 * Which of the runs that only storage knows follow the catalog's head; pure. A run counts when it lies on the chain of parents of the
 * newest leaf (durability.md, "What storage knows"); the head is a leaf too, where no run follows it. `unknown`: not void.
 */
export function runLine<R extends LineRun>(head: LineRun | null, unknown: readonly R[]): RunLine<R> {
  const byId = new Map(unknown.map((run) => [run.runId, run]));
  const parents = new Set(unknown.map(({ parentRunId }) => parentRunId));
  const leaves = unknown.filter(({ runId }) => !parents.has(runId));
  const [newest] = [...leaves].sort((a, b) => b.stampMs - a.stampMs || b.number - a.number);
  const leave = (reason: string): RunLine<R> => ({ adopt: [], left: unknown.map((run) => ({ run, reason })) });
  if (newest === undefined) return { adopt: [], left: [] };
  if (head !== null && !parents.has(head.runId) && head.stampMs > newest.stampMs)
    return leave('the database went on by itself with newer runs');
  const chain: R[] = [];
  for (let run: R | undefined = newest; run !== undefined;) {
    chain.unshift(run);
    const parentId: string | null = run.parentRunId;
    if (parentId === (head?.runId ?? null)) {
      const adopted = new Set(chain.map(({ runId }) => runId));
      const left = unknown.filter(({ runId }) => !adopted.has(runId));
      return {
        adopt: chain,
        left: left.map((it) => ({ run: it, reason: 'another run is newer and does not follow it' })),
      };
    }
    run = parentId === null || chain.some(({ runId }) => runId === parentId) ? undefined : byId.get(parentId);
  }
  return leave(
    `run ${chain[0]?.number ?? 0} follows a run that neither the database nor the storage has as its newest`,
  );
}
