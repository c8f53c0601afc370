import { LIMITS } from '#common';
import { type PlacementSpool } from './placement-spool';
import { type RestoreServer } from './ports';
import { RestoreError, throwIfCancelled } from './restore-error';

/** In place of a rank: the server cannot serve this chunk. */
export const NO_RANK = 0xffff_ffff;

/** Ranks of placements [start, start + ranks.length), as many as one request takes. */
export interface RankedSlice {
  readonly start: number;
  readonly ranks: Uint32Array;
}

/** The server's ranks of all placements, slice by slice. Throws RestoreError `bad-answer`. */
export async function* rankedSlices(
  placements: PlacementSpool,
  server: Pick<RestoreServer, 'ranks'>,
  signal: AbortSignal,
): AsyncGenerator<RankedSlice, void, undefined> {
  for (let start = 0; start < placements.count; start += LIMITS.rankKeys) {
    const end = Math.min(placements.count, start + LIMITS.rankKeys);
    const ranks = await server.ranks(() => placements.keys(start, end));
    throwIfCancelled(signal);
    if (ranks.length !== end - start) {
      throw new RestoreError('bad-answer', `The server ranked ${ranks.length} chunks of ${end - start}.`);
    }
    yield { start, ranks };
  }
}
