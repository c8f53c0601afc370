import { LIMITS } from '#common';
import { type FramedBlock, freeMemory, planPlacements } from '#engine';
import { type ChunkFetcher, type FoundChunk } from './chunk-fetcher';
import { ContentWindow, type WindowLimits } from './content-window';
import { NodeState } from './node-table';
import { type PlacementSpool } from './placement-spool';
import { type BlockSink, type WantedChunk } from './ports';
import { type RankedSlices } from './ranked-slices';
import { type RestoreContext } from './restore-context';
import { throwIfCancelled } from './restore-error';

const WINDOW: WindowLimits = { plainBytes: 16 * 1024 * 1024, keys: LIMITS.readKeys, placements: 65_536 };
/** The server looks up the next while the blocks of one are on their way. */
const WINDOWS_AT_ONCE = 2;

/** What of a restore's context this step needs; a check has no more. */
export type ContentContext = Pick<RestoreContext, 'spool' | 'signal' | 'progress' | 'onProgress'>;

/** What is done with the chunks of a window. */
interface Steps {
  readonly context: ContentContext;
  readonly placements: PlacementSpool;
  readonly fetcher: ChunkFetcher;
  readonly sink: BlockSink;
}

/**
 * Fetches everything in storage order, so that no block is read twice: ranks are asked for four million placements at
 * a time, chunks in windows of at most 16 MiB, two of them under way. Blocks go to the sink as they come.
 */
export async function writeContents(
  context: ContentContext,
  placements: PlacementSpool,
  slices: RankedSlices,
  fetcher: ChunkFetcher,
  sink: BlockSink,
): Promise<void> {
  const steps = { context, placements, fetcher, sink };
  for await (const { start, ranks } of slices.all()) {
    const order = planPlacements(ranks);
    freeMemory(ranks);
    await writeInOrder(steps, start, order);
    freeMemory(order);
  }
}

/** `order`: of the placements from `start` on. */
async function writeInOrder(steps: Steps, start: number, order: Uint32Array): Promise<void> {
  const underWay: Promise<void>[] = [];
  const spare: ContentWindow[] = [];
  try {
    for (const window of cutWindows(steps, start, order, () => spare.pop() ?? new ContentWindow(WINDOW))) {
      const work = writeWindow(steps, window).then(() => {
        window.clear();
        spare.push(window);
      });
      // Its failure is seen when its turn comes; until then it must not count as unhandled.
      work.catch(() => undefined);
      underWay.push(work);
      if (underWay.length >= WINDOWS_AT_ONCE) await underWay.shift();
    }
    while (underWay.length > 0) await underWay.shift();
  } finally {
    await Promise.allSettled(underWay);
  }
}

async function writeWindow(steps: Steps, window: ContentWindow): Promise<void> {
  const { context, placements, fetcher, sink } = steps;
  const missing = await fetcher.fetchBlocks(window.keys, window.plainBytes, (block, found) =>
    sink.take(block, wantedOf(steps, window, block, found)).then((isSound) => {
      context.onProgress(context.progress);
      return isSound;
    }),
  );
  for (const key of missing) {
    for (const index of window.placementsOf(key)) {
      sink.fail(placements.get(index).number, new Error('the server no longer has all of its content'));
    }
  }
  throwIfCancelled(context.signal);
}

function wantedOf(
  { placements }: Steps,
  window: ContentWindow,
  { header }: FramedBlock,
  found: readonly FoundChunk[],
): WantedChunk[] {
  return found.map(({ position, key }) => ({
    position,
    length: header.chunks[position]?.length ?? 0,
    placements: window.placementsOf(key).map((index) => placements.get(index)),
  }));
}

/** Placements of one chunk follow each other in the order, so a chunk is asked for once (by key, whatever the ranks say). */
function* cutWindows(
  { context, placements }: Steps,
  start: number,
  order: Uint32Array,
  begin: () => ContentWindow,
): Generator<ContentWindow, void> {
  let window = begin();
  for (const at of order) {
    const placement = placements.get(start + at);
    if (context.spool.nodes.stateOf(placement.number) === NodeState.failed) continue;
    const key = { height: 0, id: placement.id };
    if (window.tryAdd(key, placement.length, start + at)) continue;
    yield window;
    window = begin();
    if (!window.tryAdd(key, placement.length, start + at)) throw new Error('an empty window has no room for a chunk');
  }
  if (!window.isEmpty) yield window;
}
