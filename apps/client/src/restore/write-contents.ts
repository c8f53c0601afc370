import { LIMITS } from '#common';
import { type ChunkKey, type FramedBlock, keyString, planPlacements } from '#engine';
import { type ChunkFetcher, type FoundChunk } from './chunk-fetcher';
import { NodeState } from './node-table';
import { type Placement, type PlacementSpool } from './placement-spool';
import { type BlockSink, type WantedChunk } from './ports';
import { type RankedSlices } from './ranked-slices';
import { type RestoreContext } from './restore-context';
import { throwIfCancelled } from './restore-error';

const WINDOW_PLAIN_BYTES = 16 * 1024 * 1024;
const WINDOW_KEYS = LIMITS.readKeys;
const WINDOW_PLACEMENTS = 65_536;
/** The server looks up the next while the blocks of one are on their way. */
const WINDOWS_AT_ONCE = 2;

/** What of a restore's context this step needs; a check has no more. */
export type ContentContext = Pick<RestoreContext, 'spool' | 'signal' | 'progress' | 'onProgress'>;

/** What is asked for in one request, and where its chunks go; both by keyString. */
interface Window {
  keys: Map<string, ChunkKey>;
  placements: Map<string, Placement[]>;
  plainBytes: number;
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
  for await (const { start, ranks } of slices.all()) {
    await writeInOrder(context, cutWindows(context, placements, start, planPlacements(ranks)), fetcher, sink);
  }
}

async function writeInOrder(
  context: ContentContext,
  windows: Iterable<Window>,
  fetcher: ChunkFetcher,
  sink: BlockSink,
): Promise<void> {
  const underWay: Promise<void>[] = [];
  try {
    for (const window of windows) {
      const work = writeWindow(context, window, fetcher, sink);
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

async function writeWindow(
  context: ContentContext,
  window: Window,
  fetcher: ChunkFetcher,
  sink: BlockSink,
): Promise<void> {
  const missing = await fetcher.fetchBlocks(window.keys, window.plainBytes, async (block, found) => {
    const isSound = await sink.take(block, wantedOf(window, block, found));
    context.onProgress(context.progress);
    return isSound;
  });
  for (const name of missing) {
    for (const { number } of window.placements.get(name) ?? []) {
      sink.fail(number, new Error('the server no longer has all of its content'));
    }
  }
  throwIfCancelled(context.signal);
}

function wantedOf({ placements }: Window, { header }: FramedBlock, found: readonly FoundChunk[]): WantedChunk[] {
  return found.map(({ position, name }) => ({
    position,
    length: header.chunks[position]?.length ?? 0,
    placements: placements.get(name) ?? [],
  }));
}

/** Placements of one chunk follow each other in the order, so a chunk is asked for once (by key, whatever the ranks say). */
function* cutWindows(
  context: ContentContext,
  placements: PlacementSpool,
  start: number,
  order: Uint32Array,
): Generator<Window, void> {
  let window = emptyWindow();
  let count = 0;
  for (const index of order) {
    const placement = placements.get(start + index);
    if (context.spool.nodes.stateOf(placement.number) === NodeState.failed) continue;
    const key = { height: 0, id: placement.id };
    const name = keyString(key);
    let known = window.placements.get(name);
    const isFull =
      known === undefined &&
      (window.plainBytes + placement.length > WINDOW_PLAIN_BYTES || window.keys.size >= WINDOW_KEYS);
    if ((isFull && count > 0) || count >= WINDOW_PLACEMENTS) {
      yield window;
      window = emptyWindow();
      count = 0;
      known = undefined;
    }
    if (known === undefined) {
      window.keys.set(name, key);
      window.placements.set(name, [placement]);
      window.plainBytes += placement.length;
    } else {
      known.push(placement);
    }
    count += 1;
  }
  if (count > 0) yield window;
}

function emptyWindow(): Window {
  return { keys: new Map(), placements: new Map(), plainBytes: 0 };
}
