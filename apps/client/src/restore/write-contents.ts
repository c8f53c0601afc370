import { LIMITS } from '#common';
import { type ChunkKey, keyString, planPlacements } from '#engine';
import { type ChunkFetcher } from './chunk-fetcher';
import { NodeState } from './node-table';
import { type Placement, type PlacementSpool } from './placement-spool';
import { type ContentWriter, type RestoreServer } from './ports';
import { rankedSlices } from './ranked-slices';
import { type RestoreContext } from './restore-context';
import { throwIfCancelled } from './restore-error';

const WINDOW_PLAIN_BYTES = 16 * 1024 * 1024;
const WINDOW_KEYS = LIMITS.readKeys;
const WINDOW_PLACEMENTS = 65_536;

/** What of a restore's context this step needs; a check has no more. */
export type ContentContext = Pick<RestoreContext, 'spool' | 'signal' | 'progress' | 'onProgress'>;

/** What is asked for in one request, and where its chunks go. */
interface Window {
  chunks: Map<string, { key: ChunkKey; placements: Placement[] }>;
  plainBytes: number;
}

/**
 * Fetches and writes everything in storage order, so that no block is read twice: ranks are asked for four million
 * placements at a time, chunks in windows of at most 16 MiB, the next window under way while one is written.
 */
export async function writeContents(
  context: ContentContext,
  placements: PlacementSpool,
  server: Pick<RestoreServer, 'ranks'>,
  fetcher: ChunkFetcher,
  writer: ContentWriter,
): Promise<void> {
  for await (const { start, ranks } of rankedSlices(placements, server, context.signal)) {
    await writeInOrder(context, placements, start, planPlacements(ranks), fetcher, writer);
  }
  writer.close();
}

async function writeInOrder(
  context: ContentContext,
  placements: PlacementSpool,
  start: number,
  order: Uint32Array,
  fetcher: ChunkFetcher,
  writer: ContentWriter,
): Promise<void> {
  const windows = cutWindows(context, placements, start, order);
  const fetchNext = (): { window: Window; found: Promise<Map<string, Buffer>> } | null => {
    const next = windows.next();
    if (next.done === true) return null;
    const keys = [...next.value.chunks.values()].map(({ key }) => key);
    const found = fetcher.fetch(keys, next.value.plainBytes);
    // Its failure is seen when its turn comes; until then it must not count as unhandled.
    found.catch(() => undefined);
    return { window: next.value, found };
  };
  for (let current = fetchNext(); current !== null;) {
    const found = await current.found;
    const next = fetchNext();
    writeWindow(context, current.window, found, writer);
    throwIfCancelled(context.signal);
    context.onProgress(context.progress);
    current = next;
  }
}

function writeWindow(
  context: ContentContext,
  window: Window,
  found: ReadonlyMap<string, Buffer>,
  writer: ContentWriter,
): void {
  for (const [key, { placements }] of window.chunks) {
    const bytes = found.get(key);
    for (const placement of placements) {
      if (bytes === undefined) writer.fail(placement.number, new Error('the server no longer has all of its content'));
      else context.progress.bytes += writer.write(placement, bytes);
    }
  }
}

/** Placements of one chunk follow each other in the order, so a chunk is asked for once (by key, whatever the ranks say). */
function* cutWindows(
  context: ContentContext,
  placements: PlacementSpool,
  start: number,
  order: Uint32Array,
): Generator<Window, void> {
  let window: Window = { chunks: new Map(), plainBytes: 0 };
  let count = 0;
  for (const index of order) {
    const placement = placements.get(start + index);
    if (context.spool.nodes.get(placement.number).state === NodeState.failed) continue;
    const key = { height: 0, id: placement.id };
    const name = keyString(key);
    const known = window.chunks.get(name);
    const isFull =
      known === undefined &&
      (window.plainBytes + placement.length > WINDOW_PLAIN_BYTES || window.chunks.size >= WINDOW_KEYS);
    if ((isFull && count > 0) || count >= WINDOW_PLACEMENTS) {
      yield window;
      window = { chunks: new Map(), plainBytes: 0 };
      count = 0;
    }
    const chunk = window.chunks.get(name);
    if (chunk === undefined) {
      window.chunks.set(name, { key, placements: [placement] });
      window.plainBytes += placement.length;
    } else {
      chunk.placements.push(placement);
    }
    count += 1;
  }
  if (count > 0) yield window;
}
