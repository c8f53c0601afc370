import { type SnapshotSummary } from '#common';
import { ExitCode } from '../failure';
import { jsonPath, type Output } from '../output';
import { printableBytes } from '../printable';
import { withLookupSession } from '../session';
import { formatBytes, formatCount, formatTimeMs } from '../units';
import { type World } from '../world';

export async function snapshots(world: World, output: Output): Promise<ExitCode> {
  return withLookupSession(world, async ({ api }) => {
    const answer = await api.snapshots();
    const lines = answer.snapshots.map(lineOf);
    await output.answer(
      { snapshots: answer.snapshots.map(documentOf) },
      lines.length > 0 ? lines : ['No snapshot yet. Make one: holdfast backup PATH'],
    );
    return ExitCode.done;
  });
}

function rootsOf({ rootsBase64 }: SnapshotSummary): Buffer[] {
  return rootsBase64.map((root) => Buffer.from(root, 'base64'));
}

function documentOf(snapshot: SnapshotSummary): object {
  const document: Partial<SnapshotSummary> = { ...snapshot };
  delete document.rootsBase64;
  return { ...document, time: new Date(snapshot.stampMs).toISOString(), roots: rootsOf(snapshot).map(jsonPath) };
}

/** In quotes where its blanks could be taken for those between two. */
function shownRoot(root: Buffer): string {
  const text = printableBytes(root);
  return text.includes(' ') ? `"${text.replaceAll('"', '\\"')}"` : text;
}

function lineOf(snapshot: SnapshotSummary): string {
  const roots = rootsOf(snapshot).map(shownRoot).join(' ');
  const size = formatBytes(snapshot.logicalBytes).padStart(10);
  const task = printableBytes(Buffer.from(snapshot.task));
  const state = snapshot.state === 'partial' ? ` (partial: ${snapshot.unsavedCount} not saved)` : '';
  return `${snapshot.id} ${formatTimeMs(snapshot.stampMs)} ${task} ${size} ${formatCount(snapshot.files, 'file')} ${roots}${state}`;
}
