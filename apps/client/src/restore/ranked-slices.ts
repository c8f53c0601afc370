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

/**
 * The server's ranks of all placements, slice by slice. The first slice is asked for at once, and its keys are sent as
 * they are added: the server looks chunks up while the tree is still being created. Later ones are asked for in turn.
 */
export class RankedSlices {
  private readonly ahead: Promise<Uint32Array | null>;

  constructor(
    private readonly placements: PlacementSpool,
    private readonly server: Pick<RestoreServer, 'ranks'>,
    private readonly signal: AbortSignal,
  ) {
    // A request that is open so long may be cut: then it is made again when all keys are there, and tells what is wrong.
    this.ahead = this.askAhead().catch(() => null);
  }

  /** Throws RestoreError `bad-answer`. To be called once, when the placements are complete. */
  async *all(): AsyncGenerator<RankedSlice, void, undefined> {
    const { placements, signal } = this;
    const ahead = await this.ahead;
    throwIfCancelled(signal);
    for (let start = 0; start < placements.count; start += LIMITS.rankKeys) {
      const end = Math.min(placements.count, start + LIMITS.rankKeys);
      const ranks = (start === 0 ? ahead : null) ?? (await this.ask(start, end));
      throwIfCancelled(signal);
      if (ranks.length !== end - start) {
        throw new RestoreError('bad-answer', `The server ranked ${ranks.length} chunks of ${end - start}.`);
      }
      yield { start, ranks };
    }
  }

  private async askAhead(): Promise<Uint32Array | null> {
    await this.placements.filled(1);
    return this.placements.count === 0 ? null : this.ask(0, LIMITS.rankKeys);
  }

  private ask(start: number, end: number): Promise<Uint32Array> {
    return this.server.ranks(() => this.placements.keys(start, end));
  }
}
