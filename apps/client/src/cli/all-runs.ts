import { type RunSummary } from '#common';
import { type ServerApi } from '../server-api/server-api';

/** All runs of this client, newest first, whatever became of them. */
export async function allRuns(api: Pick<ServerApi, 'listRuns'>): Promise<RunSummary[]> {
  const runs: RunSummary[] = [];
  for (let before: string | null = null; ;) {
    const page = await api.listRuns(before);
    // Not by spreading: there may be more than a call takes arguments.
    for (const run of page.runs) runs.push(run);
    if (page.next === null || page.next === before) return runs;
    before = page.next;
  }
}
