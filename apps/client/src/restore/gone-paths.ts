import { isWithin } from '#engine';
import type { RestoreServer } from './ports';
import type { RestoreReport } from './restore-report';

const REASON = 'retention removed the version that this snapshot showed';

/** Names what the snapshot showed once and shows no more: a restore that lacks it is not whole, and says so. */
export async function reportGone(
  server: RestoreServer,
  { snapshotId, path }: { snapshotId: string; path: Buffer },
  report: RestoreReport,
): Promise<void> {
  let isThinned = false;
  for (let after: number | null = 0; after !== null;) {
    const page = await server.gone(snapshotId, after);
    isThinned ||= page.isThinned;
    for (const base64 of page.pathsBase64) {
      const gone = Buffer.from(base64, 'base64');
      if (isWithin(gone, path)) report.fail(gone, REASON);
    }
    after = page.next;
  }
  if (isThinned)
    report.note('Retention removed versions from this snapshot; of what was deleted since, no name is left.');
}
