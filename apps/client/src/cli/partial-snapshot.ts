import { type SnapshotSummary } from '#common';
import { type Output } from './output';
import { formatCount } from './units';

/** On standard error: what a partial snapshot lacks is in none of its listings. */
export function tellIfPartial(output: Output, { id, state, unsavedCount }: SnapshotSummary): void {
  if (state !== 'partial') return;
  const paths = formatCount(unsavedCount, 'path was', 'paths were');
  output.notice(`This snapshot is partial: ${paths} not saved. Which: holdfast runs ${id}`);
}

/** The same in a document of --json, whose own state is that of the command. Pure. */
export function stateFields({ state, unsavedCount }: SnapshotSummary): {
  readonly snapshotState: SnapshotSummary['state'];
  readonly snapshotUnsavedCount: number;
} {
  return { snapshotState: state, snapshotUnsavedCount: unsavedCount };
}
